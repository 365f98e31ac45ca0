/** Bytes of a path that the address of a unix socket holds. Node cuts a longer one off without an error. */
const longestSocketPath: number = process.platform === 'linux' || process.platform === 'android' ? 107 : 103

/** The path of a unix socket, as a message says it. */
export const aSocketPath: string = `the path of a unix socket, of at most ${longestSocketPath} bytes`

/** Whether a path is short enough for a unix socket. A named pipe of Windows has no such limit. */
export function fits (path: string): boolean {
  return process.platform === 'win32' || Buffer.byteLength(path) <= longestSocketPath
}

import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import type { Server } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { invalidOption } from '../errors.ts'
import type { Rule } from '../rules.ts'

/** Bytes of a path that the address of a unix socket holds. Node cuts a longer one off without an error. */
const longestSocketPath: number = process.platform === 'linux' || process.platform === 'android' ? 107 : 103

/** The path of a unix socket, as a message says it. */
export const aSocketPath: string = `the path of a unix socket, of at most ${longestSocketPath} bytes`

/** Whether a path is short enough for a unix socket. A named pipe of Windows has no such limit. */
export function fits (path: string): boolean {
  return process.platform === 'win32' || Buffer.byteLength(path) <= longestSocketPath
}

/** The path of a unix socket. */
export const socketPath: Rule = {
  expected: aSocketPath,
  test: (value) => typeof value === 'string' && /^[^\0]*[^\0\s][^\0]*$/.test(value) && fits(value)
}

/** The mode of a unix socket whose peers are authorised: whoever may write to it may connect. */
export const defaultSocketMode = 0o600

/** How a server is made to listen, as far as it matters here. */
interface ListenOptions { path?: unknown, readableAll?: unknown, writableAll?: unknown }
type Listen = (this: Server, ...parameters: unknown[]) => Server

/**
 * Gives the unix socket that a server listens on a mode of its own instead of what the umask leaves: it is made with
 * that mode, so nobody else can connect in between. What `listen` is told itself (`readableAll`, `writableAll`) is
 * added.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION from `listen`, for a path that is too long, with which the socket would be
 * elsewhere, and for a name of Linux's abstract namespace, which has no mode
 */
export function listenWithMode (server: Server, mode: number = defaultSocketMode): void {
  const listen = server.listen as Listen
  server.listen = function listenPrivately (this: Server, ...parameters: unknown[]) {
    const { path, isTold } = pathOf(parameters)
    if (path === undefined) return listen.apply(this, parameters)
    if (!fits(path)) {
      throw invalidOption('path', socketPath.expected, path)
    }
    if (path.startsWith('\0')) {
      const expected = 'the path of a file: every user of the machine may connect to a socket without one'
      throw invalidOption('path', expected, path)
    }
    // A worker thread has no umask of its own, and a process below a supervisor does not make its sockets itself. Where
    // an earlier `listen` has failed, its path is somebody else's.
    if (!isTold) this.once('listening', () => { if (this.address() === path) giveMode(path, mode) })
    return withMask(mode, () => listen.apply(this, parameters))
  } as Server['listen']
}

function pathOf ([first]: unknown[]): { path: string | undefined, isTold: boolean } {
  if (typeof first === 'string' && !/^\d+$/.test(first)) return { path: first, isTold: false }
  const { path, readableAll, writableAll } = (typeof first === 'object' && first !== null ? first : {}) as ListenOptions
  const isTold = readableAll === true || writableAll === true
  return { path: typeof path === 'string' && path !== '' ? path : undefined, isTold }
}

function withMask<T> (mode: number, work: () => T): T {
  if (!isMainThread || process.platform === 'win32') return work()
  const before = process.umask(0o777 & ~mode)
  try {
    return work()
  } finally {
    process.umask(before)
  }
}

/** Whatever else is there by now is left alone. */
function giveMode (path: string, mode: number): void {
  try {
    const found = lstatSync(path)
    if (found.isSocket() && (found.mode & 0o777) !== mode) chmodSync(path, mode)
  } catch {
    // It is gone, or it is no file: a named pipe of Windows.
  }
}

/**
 * Removes the unix socket that a killed process has left behind: nobody answers on it, and it would
 * stand in the way of `listen`. One that somebody answers on, and whatever else is there, is left alone.
 */
export async function clearSocket (path: string): Promise<void> {
  if (!isSocket(path)) return
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
  if (isDead) unlinkSync(path)
}

/** Milliseconds that the question whether anybody answers may take. */
const patience = 5000
/** What the program below exits with where nobody does. */
const refused = 7
const question = "require('node:net').connect(process.argv[1], () => process.exit(0)).on('error', ({ code }) => "
  + `process.exit(code === 'ECONNREFUSED' ? ${refused} : 1))`

/**
 * The same at once, for `node:cluster`, which makes a listener within one call. A connection is
 * known after a turn of the event loop only, so another process asks, for some 50 ms; that happens
 * where a socket stands in the way, and nowhere else.
 *
 * @returns whether there is room now
 */
export function clearSocketSync (path: string): boolean {
  if (!isSocket(path)) return false
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status } = spawnSync(process.execPath, ['-e', question, path], { env, stdio: 'ignore', timeout: patience })
  if (status !== refused) return false
  unlinkSync(path)
  return true
}

function isSocket (path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true
}

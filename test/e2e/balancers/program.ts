import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

function find (program: string): string | undefined {
  if (isAbsolute(program)) return program
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/usr/local/sbin']
  return folders.filter((folder) => folder !== '').map((folder) => join(folder, program)).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** From Debian's packages. @throws Error when that does not work */
function install (name: string): void {
  const options = {
    stdio: 'pipe',
    timeout: 180_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
}

/**
 * The path of a program; installed from Debian's packages first where it is missing.
 * @param name the package's, if not the program's
 * @throws Error that says why there is none
 */
export function programOf (program: string, name: string = program): string {
  const found = find(program)
  if (found !== undefined) return found
  let why = 'and the package held none'
  try {
    process.stderr.write(`${program} is not on this machine; installing it with apt-get\n`)
    install(name)
  } catch (error) {
    why = `and installing it failed: ${String(error).split('\n')[0]}`
  }
  const installed = find(program)
  if (installed === undefined) {
    throw new Error(`${program} is not in PATH, ${why}; install it by hand (Debian: apt-get install ${name})`)
  }
  return installed
}

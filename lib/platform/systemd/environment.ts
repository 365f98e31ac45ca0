import { accessSync, constants, fstatSync, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { show } from '../../util/shown.ts'
import { readVariable, whole } from '../../util/given.ts'

/** How messages reach the service manager. Plain data: the watchdog's thread is given it, too. */
export type Way =
  /** A datagram socket that is connected with it. A write to it may wait for its reader. */
  | { fd: number }
  /** The program `systemd-notify`, which is run once for each message, and where it is to send it. */
  | { command: string, socket: string }

/** What systemd has put into the environment of this process. */
export interface SystemdEnvironment {
  /** Undefined where there is none, and `problems` says why. */
  way: Way | undefined
  /** Milliseconds within which it wants to hear of the event loop; undefined where it does not. */
  watchdog: number | undefined
  /** Why systemd, or its watchdog, is told nothing: a sentence for each reason. */
  problems: string[]
}

/** As in `OpenFile=/run/systemd/notify:notify` of a unit. */
const descriptorName = 'notify'
/** The first descriptor that systemd passes, a constant of its protocol. */
const firstDescriptor = 3
/** Where distributions have it, whatever `PATH` says. */
const usualFolders = ['/usr/bin', '/bin', '/run/current-system/sw/bin']
/** The longest timer, in microseconds. */
const longestWatchdog = (2 ** 31 - 1) * 1000

/**
 * Reads what systemd has to say to this process, and takes it out of the environment, as `sd_notify(3)` and
 * `sd_watchdog_enabled(3)` do where they are asked to: what the process starts must not speak for it. Undefined where
 * nobody listens: `NOTIFY_SOCKET` is not set, or blank.
 */
export function takeSystemd (env: NodeJS.ProcessEnv, pid: number = process.pid): SystemdEnvironment | undefined {
  const [socket, time, timedPid] = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'].map((name) => {
    const value = readVariable(env, name)?.trim()
    delete env[name]
    return value === '' ? undefined : value
  })
  if (socket === undefined) return undefined
  const problems: string[] = []
  const way = wayTo(socket, env, pid, problems)
  const watchdog = way && watchdogOf(time, timedPid, pid, problems)
  return { way, watchdog, problems }
}

function wayTo (socket: string, env: NodeJS.ProcessEnv, pid: number, problems: string[]): Way | undefined {
  const problem = problemOf(socket)
  if (problem !== undefined) {
    problems.push(`NOTIFY_SOCKET is ${show(socket)}, ${problem}: the service manager is told nothing`)
    return undefined
  }
  const passed = passedDescriptor(env, pid)
  if (passed !== undefined) return passed
  const command = find('systemd-notify', env)
  if (command === undefined) {
    problems.push('NOTIFY_SOCKET is set, and there is no way to it: Node has no such sockets, there is no '
      + `descriptor named '${descriptorName}' (OpenFile= of the unit), and systemd-notify cannot be run. The service `
      + 'manager is told nothing')
  }
  return command === undefined ? undefined : { command, socket }
}

/** Why it cannot be what systemd listens on. */
function problemOf (socket: string): string | undefined {
  // An abstract name is no file.
  if (/^@./.test(socket)) return undefined
  if (!isAbsolute(socket)) return 'neither an absolute path nor an abstract name (@name)'
  try {
    return statSync(socket).isSocket() ? undefined : 'which is no socket'
  } catch (error) {
    return `which cannot be looked at (${(error as NodeJS.ErrnoException).code})`
  }
}

/** A connected socket that systemd has opened for this process. */
function passedDescriptor (env: NodeJS.ProcessEnv, pid: number): Way | undefined {
  if (readVariable(env, 'LISTEN_PID') !== String(pid)) return undefined
  const index = (readVariable(env, 'LISTEN_FDNAMES') ?? '').split(':').indexOf(descriptorName)
  if (index === -1 || index >= (whole(readVariable(env, 'LISTEN_FDS')) || 0)) return undefined
  const fd = firstDescriptor + index
  try {
    return fstatSync(fd).isSocket() ? { fd } : undefined
  } catch {
    return undefined
  }
}

/** Where a program is that may be run; undefined where there is none, or no process may be started. */
function find (name: string, env: NodeJS.ProcessEnv): string | undefined {
  const { permission } = process as { permission?: { has (scope: string): boolean } }
  if (permission?.has('child') === false) return undefined
  const searched = (readVariable(env, 'PATH') ?? '').split(delimiter).filter((one) => isAbsolute(one))
  return [...searched, ...usualFolders].map((folder) => join(folder, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return statSync(file).isFile()
    } catch {
      return false
    }
  })
}

function watchdogOf (
  time: string | undefined,
  timedPid: string | undefined,
  pid: number,
  problems: string[]
): number | undefined {
  if (time === undefined) return undefined
  if (timedPid !== undefined && timedPid !== String(pid)) {
    problems.push(`WATCHDOG_PID is ${show(timedPid)}, and this is process ${pid}: systemd's watchdog waits for `
      + 'another process. Start node itself')
    return undefined
  }
  const microseconds = whole(time)
  if (microseconds > 0 && microseconds <= longestWatchdog) return microseconds / 1000
  problems.push(`WATCHDOG_USEC is ${show(time)}, expected a number of microseconds from 1 to `
    + `${longestWatchdog}: systemd's watchdog is told nothing`)
  return undefined
}

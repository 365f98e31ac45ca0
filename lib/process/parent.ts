import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { setTimeout } from 'node:timers'
import { readVariable } from '../util/given.ts'

const shells = new Set(['sh', 'dash', 'ash', 'bash', 'busybox', 'zsh', 'ksh', 'ksh93', 'mksh', 'fish'])
/** Their programs, as they stand in a command line: `npm`, `npm-cli.js`, `pnpm.cjs`, `yarn-4.9.1.cjs`. */
const packageManager = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack)(?:-cli)?(?:-[\d.]+)?(?:\.[cm]?js)?$/
const nodes = new Set(['node', 'nodejs', 'MainThread'])
/** What a person starts a shell with who types into it. */
const interactive = /^(?:-|--)(?:i|l|il|li|login|norc|noprofile|posix)$/

/** Between PID 1 and a service that was started by hand there are fewer. */
const mostAncestors = 8

/** What is read of a process: a file of its folder in `/proc`. */
export type ReadProcess = (pid: number, file: 'cmdline' | 'status') => string

const readProc: ReadProcess = (pid, file) => readFileSync(`/proc/${pid}/${file}`, 'utf8')

/**
 * The name of PID 1, where that keeps signals from this process: a shell that runs a command and
 * has no trap for SIGTERM, or a package manager, with nothing but such between the two. Undefined
 * elsewhere, also where `/proc` does not tell.
 *
 * @param parent the parent of this process
 */
export function deafAncestor (parent: number = process.ppid, read: ReadProcess = readProc): string | undefined {
  try {
    let pid = parent
    // A process that was put into a container has no parent there (0).
    for (let generation = 0; generation < mostAncestors && pid > 0; generation++) {
      const name = deafName(read(pid, 'cmdline'), read(pid, 'status'))
      if (name === undefined || pid === 1) return name
      pid = Number(/^PPid:\s*(\d+)/m.exec(read(pid, 'status'))?.[1] ?? 0)
    }
  } catch {
    // No Linux, or a process that is hidden, or gone.
  }
  return undefined
}

/** The name of a program that passes no signal on to its child, and no more: a command line may hold secrets. */
function deafName (commandLine: string, status: string): string | undefined {
  const [program = '', ...rest] = commandLine.split('\0')
    .flatMap((part, index) => index === 0 ? part.split(' ') : [part])
    .filter((part) => part !== '')
  // A login shell's name begins with a dash.
  const name = basename(program).replace(/^-/, '')
  if (shells.has(name)) {
    const isTyped = rest.filter((argument) => argument !== 'sh' && argument !== 'ash')
      .every((argument) => interactive.test(argument))
    return isTyped || handles(status) ? undefined : name
  }
  const script = nodes.has(name) ? basename(rest.find((argument) => !argument.startsWith('-')) ?? '') : name
  return packageManager.exec(script)?.[1]
}

/** Whether a process has a handler for SIGTERM, which a shell has by a trap only. */
function handles (status: string): boolean {
  const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  return (caught >> BigInt(constants.signals.SIGTERM - 1) & 1n) === 1n
}

/** What is said of it. */
export function deafAncestorMessage (name: string): string {
  return `PID 1 is ${name}, which passes no signal on: SIGTERM does not reach this process, and it is killed `
    + 'without a shutdown. Let node be PID 1 (CMD ["node", "server.js"] as a JSON array, exec node … in '
    + 'a script), or start an init with it as its child (docker run --init)'
}

/** Milliseconds between two looks at readiness. */
const interval = 200
let hasTold = false

/** What of the process is used. */
type Told = Pick<NodeJS.Process, 'env' | 'pid' | 'send' | 'connected'>

/**
 * Tells pm2 `ready`, once in a process, where it waits for that: with `wait_ready` it goes on when a process has said
 * so, and after `listen_timeout` at the latest. Somebody who says it himself may go on doing so.
 *
 * @param isReady asked until it is so; undefined when it never will be
 */
export async function tellPm2 (
  isReady: () => boolean | undefined | Promise<boolean | undefined>,
  process_: Told = process
): Promise<void> {
  if (readVariable(process_.env, 'wait_ready') !== 'true' || typeof process_.send !== 'function') return
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    const ready = await isReady()
    if (ready === undefined || hasTold) return
    if (ready) break
    // oxlint-disable-next-line no-await-in-loop -- between two of them
    await new Promise<void>((resolve) => { setTimeout(resolve, interval).unref() })
  }
  if (!process_.connected || !isOfPm2(process_)) return
  hasTold = true
  process_.send('ready', undefined, undefined, () => {})
}

/** What a process of pm2 has forked has its variables, too, and another parent. */
function isOfPm2 ({ env, pid }: Told): boolean {
  try {
    return readFileSync(readVariable(env, 'pm_pid_path') ?? '', 'utf8').trim() === String(pid)
  } catch {
    return false
  }
}

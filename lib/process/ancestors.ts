import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { readVariable } from '../util/given.ts'

const shells = new Set(['sh', 'dash', 'ash', 'bash', 'busybox', 'zsh', 'ksh', 'ksh93', 'mksh', 'fish'])
/** Package managers, as their programs stand in a command line: `npm`, `npm-cli.js`, `pnpm.cjs`, `yarn-4.9.1.cjs`. */
const packageManager = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack)(?:-cli)?(?:-[\d.]+)?(?:\.[cm]?js)?$/
/** Node, by its program and by the name of its main thread. */
const nodes = new Set(['node', 'nodejs', 'MainThread'])
/** The options of a shell that a person types into. */
const interactive = /^(?:-|--)(?:i|l|il|li|login|norc|noprofile|posix)$/

/** How far up is looked: between PID 1 and a service that was started by hand there are fewer processes. */
const mostBelowInit = 8

/** What is before the name of a tool in a command: at its start, as a path, or behind an interpreter. */
const beforeName = String.raw`(?:^|[\s/\\"'])`
const tools: ReadonlyArray<readonly [name: string, pattern: RegExp]> = [
  ['nodemon', new RegExp(String.raw`${beforeName}nodemon(?:\.js)?(?=[\s"']|$)`)],
  ['tsx watch', new RegExp(String.raw`${beforeName}tsx(?:[/\\]dist[/\\]cli\.mjs)?\s+watch(?=\s|$)`)]
]
/** The file that fastify-cli runs again and again. */
const forkOfFastifyCli = /[\\/]fastify-cli[\\/]lib[\\/]watch[\\/]fork\.js$/
/** Between a tool and the service are a shell and a package manager at most. */
const mostBelowTool = 3

/** What is read of a process: a file of its folder in `/proc`. */
type ReadProcess = (pid: number, file: 'cmdline' | 'status') => string

const readProc: ReadProcess = (pid, file) => readFileSync(`/proc/${pid}/${file}`, 'utf8')

/**
 * The name of PID 1, where that keeps signals from this process: a shell that runs a command and
 * has no trap for SIGTERM, or a package manager, with nothing but such between the two. Undefined
 * elsewhere, also where `/proc` does not tell.
 *
 * @param parent the parent of this process
 */
export function deafAncestor (parent: number = process.ppid, read: ReadProcess = readProc): string | undefined {
  for (const { pid, commandLine, status } of ancestors(parent, mostBelowInit, read)) {
    const name = deafName(commandLine, status)
    if (name === undefined || pid === 1) return name
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

/** The warning that is logged of such a PID 1. */
export function deafAncestorMessage (name: string): string {
  return `PID 1 is ${name}, which passes no signal on: SIGTERM does not reach this process, and it is killed `
    + 'without a shutdown. Let node be PID 1 (CMD ["node", "server.js"] as a JSON array, exec node … in '
    + 'a script), or start an init with it as its child (docker run --init)'
}

/** What is known of this process. */
export interface Surroundings {
  env: NodeJS.ProcessEnv
  argv: readonly string[]
  parent: number
  /** Whether this is production, or a platform that is known. */
  isDeployed: boolean
  read?: ReadProcess
}

/**
 * What says that somebody develops this service, and waits for its next start: the tool that starts it anew when a
 * file has changed, or `NODE_ENV=development`; undefined elsewhere. In production only `node --watch` counts, which
 * leaves no doubt; on a platform, as in a pod, a tool does, and `NODE_ENV` does not.
 *
 * `WATCH_REPORT_DEPENDENCIES` is set by `node --watch`. nodemon and tsx set nothing: they are found in the script that
 * a package manager runs, and on Linux among the processes above.
 */
export function developerOf (surroundings: Surroundings): string | undefined {
  const { env, argv, isDeployed } = surroundings
  if (readVariable(env, 'WATCH_REPORT_DEPENDENCIES')) return 'node --watch'
  const mode = readVariable(env, 'NODE_ENV')?.trim()
  if (mode === 'production') return undefined
  if (forkOfFastifyCli.test(argv[1] ?? '')) return 'fastify-cli --watch'
  const tool = toolIn(readVariable(env, 'npm_lifecycle_script') ?? '') ?? toolAbove(surroundings)
  if (tool !== undefined) return tool
  return mode === 'development' && !isDeployed ? 'NODE_ENV=development' : undefined
}

function toolIn (command: string): string | undefined {
  return tools.find(([, pattern]) => pattern.test(command))?.[0]
}

function toolAbove ({ parent, read = readProc }: Surroundings): string | undefined {
  for (const { pid, commandLine } of ancestors(parent, mostBelowTool, read)) {
    const tool = pid === 1 ? undefined : toolIn(commandLine.replaceAll('\0', ' '))
    if (tool !== undefined) return tool
  }
  return undefined
}

/** One process above this one, as `/proc` shows it: its command line with a NUL behind each part, and its status. */
interface Ancestor { pid: number, commandLine: string, status: string }

/** The processes above this one, the nearest first, at most so many; fewer where `/proc` does not tell. */
function * ancestors (parent: number, most: number, read: ReadProcess): Generator<Ancestor, void> {
  // A process that was put into a container has no parent there (0).
  for (let pid = parent, generation = 0; generation < most && pid > 0; generation++) {
    const ancestor = readAncestor(pid, read)
    if (ancestor === undefined) return
    yield ancestor
    pid = Number(/^PPid:\s*(\d+)/m.exec(ancestor.status)?.[1] ?? 0)
  }
}

function readAncestor (pid: number, read: ReadProcess): Ancestor | undefined {
  try {
    return { pid, commandLine: read(pid, 'cmdline'), status: read(pid, 'status') }
  } catch {
    // No Linux, or a process that is hidden, or gone.
    return undefined
  }
}

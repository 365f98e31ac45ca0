import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { readLines } from '../support/lines.ts'

/** A line of the supervisor's own. */
interface Line { event?: string, msg: string, child?: number, childPid?: number, [key: string]: unknown }

/** A running tree. */
export interface Tree {
  readonly child: ChildProcess
  readonly pid: number
  /** Standard output and standard error, as far as their lines are whole. */
  output (): string
  /** One of the two alone. */
  stream (name: 'stdout' | 'stderr'): string
  /** The supervisor's own lines so far. */
  lines (event?: string): Line[]
  /** The port that the children listen on, once the first of them does. */
  port (): Promise<number>
  /** Where the status routes are. */
  status (): Promise<string>
  ready (): Promise<void>
  readonly result: Promise<[code: number | null, signal: NodeJS.Signals | null]>
}

const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
export const service: string = fileURLToPath(new URL('fixtures/service.js', import.meta.url))

/**
 * The test runner puts its loaders into the NODE_OPTIONS of whatever is spawned, after we have let go of it; `env` then
 * becomes the program.
 */
const clean = (env: NodeJS.ProcessEnv): string[] => [
  'env',
  ...[
    'NODE_OPTIONS', 'NODE_V8_COVERAGE', 'KUBERNETES_SERVICE_HOST', 'PRESTOP_SECONDS', 'TERMINATION_GRACE_PERIOD_SECONDS'
  ].filter((name) => !(name in env)).flatMap((name) => ['-u', name])
]

/** Polls until `look` answers something else than undefined and false. */
export async function until<T> (
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeout = 40_000
): Promise<T> {
  const end = Date.now() + timeout
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}`)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
}

/** Whether it runs; what has ended and was not reaped by whoever adopted it does not. */
export function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

const inTerminal = (command: string[]): string[] => [
  'script',
  '-qec',
  `exec ${command.map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(' ')}`,
  '/dev/null'
]
const unshare = ['unshare', ...process.getuid?.() === 0 ? [] : ['--map-root-user']]
/** Runs a command where no terminal has a name, as after `nsenter` or `chroot`. */
export const nameless: readonly string[] = [
  ...unshare, '--mount', 'sh', '-c', 'mount -t tmpfs none /dev/pts && exec "$@"', 'sh'
]

/**
 * What a command runs in: a process group of its own, a terminal, one without a name, with few file descriptors, or as
 * process 1 of a namespace of its own, as in a container.
 */
const wrappers = {
  'few descriptors': (command: string[]) => ['sh', '-c', 'ulimit -n 36; exec "$@"', 'sh', ...command],
  '200 descriptors': (command: string[]) => ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh', ...command],
  'open mask': (command: string[]) => ['sh', '-c', 'umask 0; exec "$@"', 'sh', ...command],
  group: (command: string[]) => ['setsid', ...command],
  terminal: inTerminal,
  'nameless terminal': (command: string[]) => inTerminal([...nameless, ...command]),
  namespace: (command: string[]) => [...unshare, '--pid', '--fork', '--mount-proc', '--kill-child', ...command]
}

/**
 * Starts `fastify-graceful` with these arguments; `merged`: both streams into one pipe. What is left of the tree when
 * the test ends is killed.
 */
export function start (
  t: Pick<Test, 'teardown'>,
  args: string[],
  { env = {}, cwd, merged = false, within }: {
    env?: NodeJS.ProcessEnv
    cwd?: string
    merged?: boolean
    within?: keyof typeof wrappers
  } = {}
): Tree {
  const command = [...clean(env), process.execPath, cli, ...args]
  const whole = merged ? ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...command] : command
  const [program = '', ...parameters] = within === undefined ? whole : wrappers[within](whole)
  const child = spawn(program, parameters, {
    env: { ...process.env, ...env },
    ...cwd === undefined ? {} : { cwd },
    stdio: ['pipe', 'pipe', 'pipe']
  })
  let output = ''
  const streams = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    readLines(child[name], (text) => {
      // A terminal ends lines in its own way, and shows what was typed.
      output += text.replaceAll(/\r|\^C/g, '')
      streams[name] += text
    })
  }
  const result = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve([code, signal]))
  })
  const lines = (event?: string): Line[] => output.split('\n')
    .filter((line) => line.startsWith('{"level"') && line.includes('"name":"fastify-graceful"'))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => event === undefined || line.event === `graceful.supervisor.${event}`)
  t.teardown(() => {
    child.kill('SIGKILL')
    for (const { childPid = 0 } of lines('spawn')) {
      if (childPid > 0 && isAlive(childPid)) process.kill(childPid, 'SIGKILL')
    }
  })
  const found = (pattern: RegExp) => (): RegExpExecArray | undefined => {
    const match = pattern.exec(output)
    if (match === null && child.exitCode !== null) {
      throw new Error(`ended with ${child.exitCode} before ${pattern}: ${output}`)
    }
    return match ?? undefined
  }
  return {
    child,
    pid: child.pid!,
    output: () => output,
    stream: (name) => streams[name],
    lines,
    port: async () => Number((await until(found(/^listening (\d+) as/m), 'a child that listens'))[1]),
    status: async () => (await until(found(/status routes at (http:\/\/[\d.:]+)/), 'status routes'))[1]!,
    ready: async () => { await until(() => found(/"ready":true,"msg":"ready/)(), 'the whole is ready') },
    result
  }
}

/** Milliseconds between the last two lines of these events, on the supervisor's own clock. */
export function between (tree: Tree, one: string, other: string): number {
  return Number(tree.lines(other).at(-1)?.['time']) - Number(tree.lines(one).at(-1)?.['time'])
}

/** What the service answers at `/`. */
export interface Answer { pid: number, release: string, grace: string }

/** Asks the service, on a connection of its own. */
export async function ask<T = Answer> (port: number, path = '/'): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  if (response.status !== 200) throw new Error(`status ${response.status} for ${path}`)
  return await response.json() as T
}

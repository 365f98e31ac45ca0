import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Report } from '../../lib/lifecycle/report.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** How a replica ends on SIGTERM: with the plugin and its default options, or with `app.close()` and nothing else. */
export type Shutdown = 'graceful' | 'plain'

/** What to start. */
export interface ReplicaOptions {
  name: string
  shutdown: Shutdown
  /** Seconds from SIGTERM to SIGKILL, told to the replica as Kubernetes charts do. */
  graceSeconds: number
}

/** One line of a replica's JSON log. */
export type LogLine = Record<string, unknown> & {
  event?: string,
  level?: number,
  msg?: string,
  time?: number,
  report?: Report
}

/** A running replica. */
export interface Replica {
  name: string
  port: number
  shutdown: Shutdown
  /** Log lines that carry an event or are warnings and worse, oldest first. */
  log: LogLine[]
  /** Resolves with how the process ended; never rejects. */
  exited: Promise<{ code: number | null, signal: NodeJS.Signals | null, at: number }>
  kill: (signal: NodeJS.Signals) => void
}

/**
 * The client and the balancer stand for a whole network, which does not pause because this machine is busy: a pause
 * of theirs would be a silence that says nothing. So they go first, where the system allows it; replicas do not.
 */
export function prefer (pid: number | undefined, priority: number): void {
  try {
    setPriority(pid ?? 0, priority)
  } catch {
    // Only root may. Then a busy machine makes for a rougher test, not for a milder one.
  }
}

const children = new Set<ChildProcess>()
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')))

/** A child that outlives the test run would hold its port and the machine's time. */
export function endWithUs (child: ChildProcess): void {
  children.add(child)
  child.once('exit', () => children.delete(child))
}

function newest (folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Math.max(...files.map((entry) => statSync(`${entry.parentPath}/${entry.name}`).mtimeMs))
}

/**
 * Compiles `lib` to `dist` where `dist` is missing or older: replicas run what a user would install.
 * @throws Error with the compiler's complaints
 */
export function ensureBuilt (): void {
  const built = `${root}dist/index.js`
  if (existsSync(built) && statSync(built).mtimeMs >= newest(`${root}lib`)) return
  const compiler = `${root}node_modules/@typescript/native/bin/tsc`
  // Without the test runner's loaders, under which the compiler does not start.
  const { status, stdout, stderr } = spawnSync('env', ['-u', 'NODE_OPTIONS', process.execPath, compiler, '-p', root], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] }
  })
  if (status !== 0) throw new Error(`lib does not compile:\n${stdout}${stderr}`)
}

/** One GET on a connection of its own, as a kubelet probes; the status, or 0 where nobody answered. */
export function probe (port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const request = get({
      host: '127.0.0.1',
      port,
      path,
      agent: false,
      headers: { 'user-agent': 'kube-probe/1.34' }
    }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.setTimeout(1000, () => request.destroy())
    request.on('error', () => resolve(0))
  })
}

function launch (options: ReplicaOptions): Replica & { listening: Promise<number> } {
  // A test runner's loaders come in NODE_OPTIONS, and it sets them again for each child; a replica in production has
  // none of them.
  const child = spawn('env', [
    '-u', 'NODE_OPTIONS', process.execPath, fileURLToPath(new URL('replica.js', import.meta.url))
  ], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      REPLICA: options.name,
      SHUTDOWN: options.shutdown,
      PORT: '0',
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      TERMINATION_GRACE_PERIOD_SECONDS: String(options.graceSeconds)
    }
  })
  endWithUs(child)
  prefer(child.pid, 0)
  const log: LogLine[] = []
  const { promise: listening, resolve: nowListening } = withResolvers<number>()
  const keep = (text: string): void => {
    let line: LogLine
    try { line = JSON.parse(text) } catch { line = { event: 'replica.output', msg: text, time: Date.now() } }
    if (line.event === undefined && (line.level ?? 0) < 40) return
    if (line.event === 'replica.listening') nowListening(Number(line['port']))
    if (log.length < 1000) log.push(line)
  }
  createInterface({ input: child.stdout }).on('line', keep)
  createInterface({ input: child.stderr }).on('line', keep)
  // 'close', not 'exit': the last log lines must have been read.
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal, at: Date.now() }))
  return {
    name: options.name,
    port: 0,
    shutdown: options.shutdown,
    log,
    exited,
    listening,
    kill: (signal) => child.kill(signal)
  }
}

function withResolvers<T> (): { promise: Promise<T>, resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => { resolve = settle })
  return { promise, resolve }
}

async function becomesReady (port: number, path: string): Promise<boolean> {
  for (let attempt = 0; attempt < 800; attempt++) {
    if (await probe(port, path) === 200) return true
    await sleep(25)
  }
  return false
}

/**
 * Starts one replica and waits until it is ready: `/readyz`, or `/` where there is no plugin to answer it.
 * @throws Error with the replica's own output when it is not ready within 20 s
 */
export async function startReplica (options: ReplicaOptions): Promise<Replica> {
  const { listening, ...replica } = launch(options)
  const port = await Promise.race([listening, replica.exited.then(() => 0), sleep(20_000, 0, { ref: false })])
  if (port !== 0 && await becomesReady(port, options.shutdown === 'graceful' ? '/readyz' : '/')) {
    return Object.assign(replica, { port })
  }
  replica.kill('SIGKILL')
  throw new Error(
    `replica ${options.name} did not become ready:\n${replica.log.map((line) => JSON.stringify(line)).join('\n')}`
  )
}

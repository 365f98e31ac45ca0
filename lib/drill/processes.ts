import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { createServer } from 'node:net'
import type { Report } from '../lifecycle/report.ts'

/** Below the ranges that Linux, macOS and Windows take the ports of outgoing connections from. */
const [lowest, count] = [20_000, 12_000]
const claimed = new Set<number>()

/**
 * A port that nobody listens on, and that is handed out once: what goes on calling a replica that has gone must not
 * meet another one. It is none that an outgoing connection could take before the replica listens.
 */
export async function claimPort (): Promise<number> {
  while (claimed.size < count) {
    const port = lowest + Math.floor(Math.random() * count)
    if (claimed.has(port)) continue
    claimed.add(port)
    // On all addresses, as the replica may listen on any.
    const server = createServer().listen(port)
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error(`no port is left between ${lowest} and ${lowest + count}`)
}

const alive = new Set<ChildProcess>()
const groups = new WeakSet<ChildProcess>()
const killAll = (): void => alive.forEach(killWhole)

/** A process that outlived this one would hold its port, and the machine's time. @param isGroup whether it leads one */
export function endWithUs (child: ChildProcess, isGroup = false): void {
  if (alive.size === 0) process.on('exit', killAll)
  alive.add(child)
  if (isGroup) groups.add(child)
  child.once('exit', () => {
    alive.delete(child)
    if (alive.size === 0) process.off('exit', killAll)
  })
}

/** Kills a process, and the rest of its group where it leads one. */
export function killWhole (child: ChildProcess): void {
  child.kill('SIGKILL')
  if (!groups.has(child) || child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

/** Where to ask. */
export interface Address { host?: string, port: number }

/** Who asks: by what name, and for how many milliseconds it waits. */
export interface Asker { userAgent?: string | undefined, timeout: number }

/** The plugin knows a kubelet by this name. */
const kubelet: Asker = { userAgent: 'kube-probe/1.34', timeout: 1000 }

/** One GET on a connection of its own, as a kubelet asks; the status, or 0 where nobody answered in time. */
export function probe (
  { host = '127.0.0.1', port }: Address, path: string, { userAgent, timeout }: Asker = kubelet
): Promise<number> {
  return new Promise((resolve) => {
    const headers = userAgent === undefined ? {} : { 'user-agent': userAgent }
    const request = get({ host, port, path, agent: false, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.setTimeout(timeout, () => request.destroy())
    request.on('error', () => resolve(0))
  })
}

/**
 * Whether a status says ready, by the kubelet's rule: 200 to 399.
 * @param isOptional whether a service without this route counts as ready when it answers at all
 */
export function saysReady (status: number, isOptional: boolean): boolean {
  return (status >= 200 && status < 400) || (isOptional && status === 404)
}

/** One line of a replica's output: an object of a JSON log, or any other text as `{ event: 'output', msg }`. */
export type LogLine = Record<string, unknown> & {
  event?: string
  level?: number
  msg?: string
  /** Milliseconds since 1970. */
  time?: number
  report?: Report
}

/** Of a line that is no JSON. */
const outputEvent = 'output'

/** From this level of pino on, a line is a warning. */
const warning = 40

/** Reads one line. */
export function readLine (text: string): LogLine {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as LogLine
  } catch {
    // Other output.
  }
  return { event: outputEvent, msg: text }
}

/** The phase that the plugin's log says has begun. */
export function phaseOf ({ event, phase }: LogLine): string | undefined {
  return event === 'graceful.phase' && typeof phase === 'string' ? phase : undefined
}

/** Whether a line is worth keeping: the plugin's own, a warning, or no log line at all. */
export function isTelling ({ event, level }: LogLine): boolean {
  if (event === outputEvent || String(event).startsWith('graceful.')) return true
  return typeof level === 'number' && level >= warning
}

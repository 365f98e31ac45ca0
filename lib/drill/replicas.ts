import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../lifecycle/report.ts'
import { defaults } from './defaults.ts'
import type { Endpoint } from './fronts.ts'
import { claimPort, endWithUs, isTelling, killWhole, phaseOf, probe, readLine, saysReady } from './processes.ts'
import type { LogLine } from './processes.ts'

/** The service that is rehearsed: any program that listens on the port of an environment variable. */
export interface ServiceOptions {
  /** The program and its arguments: `[process.execPath, 'service.js']`. */
  command: readonly [program: string, ...args: string[]]
  /** @default the folder of this process */
  cwd?: string
  /** The environment without the port. @default that of this process */
  env?: NodeJS.ProcessEnv
  /** The variable that says where to listen. @default defaults.portEnv */
  portEnv?: string
  /**
   * Ready means that it answers this with 200 to 399.
   * @default defaults.readyPath, where 404 is ready, too: a service without a readiness route is ready when it answers
   */
  readyPath?: string
  /** Milliseconds until it has to be ready. @default defaults.boot */
  bootWithin?: number
  /** The phase that a line says has begun. @default what `fastify-graceful` logs */
  readPhase?: (line: LogLine) => string | undefined
  /**
   * Whether it gets a process group of its own, which ends with its first process, as a container does. Signals before
   * that go to the first process alone. @default false
   */
  ownGroup?: boolean
  /** How it is asked: the status, or 0 where nobody answers. @default a GET over HTTP/1.1, without TLS */
  probe?: typeof probe
}

/** Hears of a replica. */
export interface ReplicaObserver {
  /** A phase has begun, it was `signalled`, or it is `out of rotation`. */
  changed?: (replica: Replica, what: string) => void
  /** A line of its output, in its order. */
  line?: (replica: Replica, line: LogLine) => void
}

/** How one replica went. */
export interface Departure {
  name: string
  /** Milliseconds since 1970 at which it got SIGTERM. */
  signalledAt: number
  /** Milliseconds from SIGTERM to the end of the process. */
  took: number
  code: number | null
  signal: NodeJS.Signals | null
  /** Whether it was still there at the end of the grace period. */
  isKilled: boolean
  /** The plugin's report; undefined where its log has none. */
  report: Report | undefined
}

interface End { code: number | null, signal: NodeJS.Signals | null, at: number }

/** Lines that are kept of one replica, the last ones. */
const mostLines = 1000
/** Lines that are shown of one that did not get ready, and characters of each. */
const [mostShown, mostCharacters] = [20, 500]
/** Milliseconds for what is left in the pipes of a process that is gone: a child of its own may hold them open. */
const patienceForOutput = 1000

/** Where a replica may listen. */
const addresses = ['127.0.0.1', '::1']

/** One replica: its process, what it goes through, and what it says. Its standard input ends with this process. */
export class Replica implements Endpoint {
  readonly name: string
  readonly port: number
  /** The phases with the time of each, the oldest first: at first `starting`, then `running`, at last `terminated`. */
  readonly history: Array<{ phase: string, at: number }> = []
  /** The last telling lines: the plugin's, warnings, and what is no JSON. */
  readonly log: LogLine[] = []
  /** Resolves when the process is gone and its output is read. */
  readonly exited: Promise<void>
  /** The address that answered. */
  host = '127.0.0.1'
  /** When it got SIGTERM, in milliseconds since 1970. */
  signalledAt: number | undefined
  /** When the front was told to send it no new connections. */
  removedAt: number | undefined
  /** What the plugin reported of its end. */
  report: Report | undefined
  readonly #service: ServiceOptions
  readonly #observer: ReplicaObserver
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  #end: End | undefined

  constructor (name: string, port: number, service: ServiceOptions, observer: ReplicaObserver) {
    const { command: [program, ...args], cwd, env = process.env, ownGroup = false } = service
    const { portEnv = defaults.portEnv } = service
    // On Windows there are no groups, and it would get a window.
    const detached = ownGroup && process.platform !== 'win32'
    this.name = name
    this.port = port
    this.#service = service
    this.#observer = observer
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached,
      env: { ...env, [portEnv]: String(port) },
      ...cwd === undefined ? {} : { cwd }
    })
    endWithUs(this.#child, detached)
    this.enter('starting')
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', (text) => this.#read(readLine(text)))
    }
    this.exited = this.#follow()
  }

  get pid (): number | undefined { return this.#child.pid }

  /** The phase of now. */
  get phase (): string { return this.history.at(-1)!.phase }

  /** How it ended: an exit code, or the name of a signal. */
  get exit (): number | NodeJS.Signals | undefined { return this.#end?.code ?? this.#end?.signal ?? undefined }

  /** The phase that it was in at a time, in milliseconds since 1970. */
  phaseAt (time: number): string | undefined {
    return this.history.findLast(({ at }) => at <= time)?.phase
  }

  /** Resolves when it is ready. @throws Error with its output, where it ends or takes too long */
  async ready (): Promise<void> {
    const { readyPath, bootWithin = defaults.boot } = this.#service
    const path = readyPath ?? defaults.readyPath
    const latest = performance.now() + bootWithin
    let status = 0
    while (performance.now() < latest && this.#end === undefined) {
      status = await this.#probe(path)
      if (saysReady(status, readyPath === undefined)) {
        this.enter('running')
        return
      }
      await sleep(25)
    }
    const last = status === 0 ? `nobody answers on port ${this.port}` : `${path} answers ${status}`
    const why = this.#end === undefined ? `is not ready after ${bootWithin} ms, ${last}` : `ended with ${this.exit}`
    this.kill('SIGKILL')
    await this.exited
    throw new Error([`replica ${this.name} ${why}:`, ...this.log.slice(-mostShown).map(textOf)].join('\n'))
  }

  /** SIGTERM, and SIGKILL at the end of the grace period, in milliseconds. Resolves when the process is gone. */
  async terminate (grace: number): Promise<Departure> {
    const signalledAt = Date.now()
    let isKilled = false
    const kubelet = setTimeout(() => {
      isKilled = true
      this.kill('SIGKILL')
    }, grace)
    if (this.#end === undefined) {
      this.signalledAt = signalledAt
      this.kill('SIGTERM')
      this.#observer.changed?.(this, 'signalled')
    }
    await this.exited
    clearTimeout(kubelet)
    const { code, signal, at } = this.#end!
    const took = Math.max(0, at - signalledAt)
    return { name: this.name, signalledAt, took, code, signal, isKilled, report: this.report }
  }

  kill (signal: NodeJS.Signals): void {
    if (signal === 'SIGKILL') killWhole(this.#child)
    else this.#child.kill(signal)
  }

  /** Notes a phase that was seen from outside; nothing happens where it is in it already. */
  enter (phase: string, at: number = Date.now()): void {
    const last = this.history.at(-1)
    if (last?.phase === phase || last?.phase === 'terminated') return
    this.history.push({ phase, at: Math.max(at, last?.at ?? at) })
    this.#observer.changed?.(this, phase)
  }

  /** The status of one probe, and with it the address at which it listens. */
  async #probe (path: string): Promise<number> {
    for (const host of addresses) {
      const status = await (this.#service.probe ?? probe)({ host, port: this.port }, path)
      if (status === 0) continue
      this.host = host
      return status
    }
    return 0
  }

  async #follow (): Promise<void> {
    // Also for a signal that does not reach it.
    this.#child.on('error', () => {})
    const closed = once(this.#child, 'close')
    closed.catch(() => {})
    try {
      const [code, signal] = await once(this.#child, 'exit') as [number | null, NodeJS.Signals | null]
      this.#end = { code, signal, at: Date.now() }
      killWhole(this.#child)
      await Promise.race([closed, sleep(patienceForOutput, undefined, { ref: false })])
    } catch (error) {
      // There is no such program.
      this.#end = { code: 127, signal: null, at: Date.now() }
      this.#read(readLine(String(error)))
    }
    this.enter('terminated', this.#end.at)
  }

  #read (line: LogLine): void {
    if (isTelling(line)) this.log.push(line)
    if (this.log.length > mostLines) this.log.shift()
    if (line.event === 'graceful.report') this.report = line.report
    const phase = (this.#service.readPhase ?? phaseOf)(line)
    // Ready is what a probe has heard, and the end is the end of the process.
    if (phase !== undefined && phase !== 'running' && phase !== 'terminated') {
      this.enter(phase, timeOf(line))
    }
    this.#observer.line?.(this, line)
  }
}

/** A line as it is shown of a replica that did not get ready. */
function textOf ({ msg, ...line }: LogLine): string {
  return String(line.event === undefined ? JSON.stringify({ msg, ...line }) : msg).slice(0, mostCharacters)
}

/** When a line was written, for logs that say so in milliseconds since 1970. */
function timeOf ({ time }: LogLine): number {
  const now = Date.now()
  return typeof time === 'number' && Math.abs(time - now) < 60_000 ? time : now
}

/** Starts a replica. It is not ready yet: see `ready`. @param port a free one where absent */
export async function startReplica (
  name: string, service: ServiceOptions, observer: ReplicaObserver = {}, port?: number
): Promise<Replica> {
  return new Replica(name, port ?? await claimPort(), service, observer)
}

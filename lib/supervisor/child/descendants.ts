import type { ChildProcess } from 'node:child_process'
import { channel } from 'node:diagnostics_channel'
import { codeOf, whisper } from '../protocol.ts'
import type { ChildState, ShutdownMessage, Whisper } from '../protocol.ts'
import { nodesMessage } from '../../fastify/process-internals.ts'

/** What a descendant is told. */
type Order = Pick<ShutdownMessage, 'signal' | 'elapsed' | 'count'>

/** The processes that this one has forked and that use the package, seen from inside: nobody has to register them. */
export class Descendants {
  readonly #changed: () => void
  readonly #states = new Map<ChildProcess, ChildState>()
  readonly #told = new Set<ChildProcess>()
  #order: Order | undefined
  #exitCode = 0

  /** @param changed called when one is new, has changed or has ended */
  constructor (changed: () => void) {
    this.#changed = changed
  }

  /** Follows every process that is started from now on. */
  watch (): void {
    channel('child_process').subscribe((message) => this.#follow((message as { process: ChildProcess }).process))
  }

  /** The processes below this one, with those below them. */
  get pids (): number[] {
    return this.#users.flatMap(([{ pid }, { descendants }]) => [...pid === undefined ? [] : [pid], ...descendants])
  }

  /** The first process that the end of this one waits for, as the reason of a stall; false where there is none. */
  stalls (): string | false {
    const [first] = this.#users
    return this.#order !== undefined && first !== undefined && `process ${first[0].pid} is in phase '${first[1].phase}'`
  }

  /** Tells all of them, and whoever turns up later. Told again, they make haste. */
  shutdown (order: Order): void {
    this.#order = order
    this.#told.clear()
    this.#tell()
  }

  /** This process ends: who was told and is not gone has had its time. Answers the first exit code that was not 0. */
  end (): number {
    for (const [child] of this.#users) {
      child.kill('SIGKILL')
      this.#exitCode ||= 1
    }
    return this.#exitCode
  }

  get #users (): Array<[child: ChildProcess, state: ChildState]> {
    return [...this.#states].filter(([, { phase }]) => phase !== undefined)
  }

  #follow (child: ChildProcess): void {
    const events: NodeJS.EventEmitter = child
    events.on(nodesMessage, (message: Partial<Whisper> | null) => {
      if (message?.cmd !== whisper || message.state === undefined) return
      this.#states.set(child, message.state)
      this.#tell()
      this.#changed()
    })
    events.once('exit', (code: number | null, signal: NodeJS.Signals | null) => {
      if (!this.#states.delete(child)) return
      if (this.#order !== undefined) this.#exitCode ||= codeOf({ code, signal })
      this.#changed()
    })
  }

  #tell (): void {
    if (this.#order === undefined) return
    for (const [child] of this.#users) {
      if (this.#told.has(child) || !child.connected) continue
      this.#told.add(child)
      child.send({ type: 'shutdown', replaced: false, ...this.#order } satisfies ShutdownMessage, () => {})
    }
  }
}

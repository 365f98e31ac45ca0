import type { Worker } from 'node:cluster'
import { clearTimeout, setTimeout } from 'node:timers'
import { messageOf } from '../../errors.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Report } from '../../lifecycle/report.ts'
import { deferred, PendingAnswers } from '../../util/promises.ts'
import { isOurs, isRequest, messageType } from '../protocol.ts'
import type { Ask, ChildEnd, ChildState, Pass, Probed, Question, ShutdownMessage, Tell } from '../protocol.ts'
import { Orphans } from './orphans.ts'
import { Forward } from './output.ts'
import type { Sinks } from './output.ts'

/** Milliseconds between two questions after its state: until it is ready, and from then on. */
const startInterval = 100
const interval = 1000
/** A child that has not answered for this long counts as not ready, in milliseconds. */
const patience = 5000
/** Milliseconds after which a child that does not act on the message is sent the signal. */
const messageTime = 1000
/** Milliseconds of silence after which a pipe that somebody else holds open is left. */
const quiet = 500

/** What a child tells its supervisor, at once. */
export interface ChildEvents {
  changed (child: Child): void
  exited (child: Child, end: ChildEnd): void
  /** It has left processes behind. Answers how long they may take, in milliseconds. */
  orphaned (child: Child, pids: readonly number[]): number
  /** The processes that it had left behind took too long. */
  killed (child: Child, pids: readonly number[]): void
}

/** One process of the service. */
export class Child {
  readonly worker: Worker
  /** Which place it has, from 1. */
  readonly place: number
  /** Epoch milliseconds. */
  readonly startedAt: number = Date.now()
  /** Settles when it is ready for the first time or has ended. */
  readonly settled: Promise<void>
  /** Settles when it and what it has left behind have ended, and all they wrote was forwarded. */
  readonly gone: Promise<ChildEnd>
  /** How its applications have ended, as far as they have told. */
  readonly reports: Report[] = []
  /** Whether it was told to end, or another child has its place. */
  leaving = false
  /** Whether it was not ready in time. */
  late = false
  /** Whether it had to be killed. */
  killed = false
  readonly #events: ChildEvents
  /** How long its end may take, in milliseconds. */
  readonly #longestEnd: number
  readonly #settled = deferred<void>()
  readonly #asked = new PendingAnswers<Tell>()
  readonly #streams: Forward[]
  readonly #orphans = new Orphans()
  #state: ChildState = {
    phase: undefined, ready: false, ending: false, signalled: false,
    inStep: false, waitsIn: undefined, descendants: [], gracePeriod: undefined
  }
  #together = false
  #end: ChildEnd | undefined
  #problem = ''
  #readySince: number | undefined
  #heardAt = performance.now()
  /** Whether its side of the channel listens: it has told something. */
  #heard = false
  /** The order that it is given as soon as it listens. */
  #order: ShutdownMessage | undefined
  #timer: NodeJS.Timeout | undefined
  #messageTimer: NodeJS.Timeout | undefined
  #killTimer: NodeJS.Timeout | undefined
  #killAt = Infinity

  constructor (worker: Worker, place: number, sinks: Sinks, longestEnd: number, events: ChildEvents) {
    this.worker = worker
    this.place = place
    this.#events = events
    this.#longestEnd = longestEnd
    this.settled = this.#settled.promise
    const { stdout, stderr } = worker.process
    // A process that could not be started may have neither.
    this.#streams = [
      ...stdout ? [new Forward(stdout, sinks.stdout)] : [],
      ...stderr ? [new Forward(stderr, sinks.stderr)] : []
    ]
    worker.on('message', (message: unknown) => {
      if (isOurs(message)) this.#hear(message as Tell)
    })
    this.gone = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (!this.alive) return
        this.#exited({ code, signal })
        void this.#afterwards().then(() => resolve({ code, signal }))
      }
      worker.once('exit', end)
      worker.on('error', (error: Error) => {
        // A message to a child that has just gone is no news. What could not be started has no exit: this is its end.
        if (worker.process.pid !== undefined) return
        this.#problem = `it could not be started: ${messageOf(error)}`
        end(1, null)
      })
    })
    this.#lookLater()
  }

  get pid (): number | undefined { return this.worker.process.pid }
  /** Its name in messages. */
  get title (): string {
    return `child ${this.place} (${this.pid === undefined ? 'no process' : `process ${this.pid}`})`
  }
  get state (): Readonly<ChildState> { return this.#state }
  get alive (): boolean { return this.#end === undefined }
  /** Whether it was ended before it could listen for the signal that ended it. */
  get unborn (): boolean { return this.#state.phase === undefined && isRequest(this.#end?.signal) }
  /** Whether it is on its way out, told to or by itself. */
  get ending (): boolean { return this.leaving || this.#state.ending }
  /** Whether it goes through its phases together with others. */
  get inStep (): boolean { return this.#together && this.#state.inStep }
  /** Milliseconds since it became ready for the first time; undefined where it never did. */
  get readyFor (): number | undefined {
    return this.#readySince === undefined ? undefined : performance.now() - this.#readySince
  }
  /** Whether it serves: ready when last heard of, and heard of lately. */
  get ready (): boolean { return this.alive && !this.late && this.#state.ready && this.responding }
  get responding (): boolean { return performance.now() - this.#heardAt < patience }
  /** The last lines it wrote, those of standard error last. */
  get lastWords (): string {
    const words = [...this.#streams.map(({ lastWords }) => lastWords), this.#problem]
    return words.filter((each) => each !== '').join('\n')
  }

  /** Asks the child something. Rejects where it does not answer in time, or answers with an error. */
  async ask (question: Question, timeout: number): Promise<unknown> {
    const tell = await this.#asked.ask((id) => this.send({ type: messageType, ask: question, id }), timeout)
    if (tell === undefined) throw new Error(`no answer within ${timeout} ms`)
    if ('error' in tell) throw new Error(tell.error)
    if ('answer' in tell) return tell.answer
    return 'state' in tell ? tell.state : undefined
  }

  /** Tells it to end: by message, which carries more than a signal, and by the signal where that changes nothing. */
  shutdown (order: Omit<ShutdownMessage, 'type'>): void {
    this.leaving = true
    if (!this.alive) return
    this.#together ||= order.together === true
    this.#order = { type: 'shutdown', ...order }
    if (this.#heard) this.#obey()
  }

  /** It need not wait for others any more before it leaves this phase. */
  pass (phase: Phase): void {
    this.send({ type: messageType, pass: phase })
  }

  /** Kills it in `timeout` milliseconds, after `onKill`, unless an earlier call has left it less. */
  limit (timeout: number, onKill: () => void): void {
    const at = performance.now() + timeout
    // The same end, rounded, is no earlier one.
    if (!this.alive || at > this.#killAt - 2) return
    this.#killAt = at
    clearTimeout(this.#killTimer)
    this.#killTimer = setTimeout(() => {
      onKill()
      this.kill()
    }, timeout)
  }

  kill (): void {
    // The processes that it has left behind may be alive.
    this.#orphans.kill()
    if (!this.alive) return
    this.leaving = this.killed = true
    this.worker.process.kill('SIGKILL')
  }

  #obey (): void {
    if (this.#order === undefined) return
    this.send(this.#order)
    this.#order = undefined
    this.#messageTimer ??= setTimeout(() => { void this.#insist() }, messageTime)
  }

  /** The signal, where the message was understood by nobody. A child that does not answer has not read it yet. */
  async #insist (): Promise<void> {
    if (this.worker.isConnected()) {
      const state = await this.ask('state', patience).catch(() => undefined) as ChildState | undefined
      if (state?.phase === undefined || state.ending) return
    }
    if (this.alive) this.worker.process.kill('SIGTERM')
  }

  /** Sends it a message, which is lost where it does not listen yet. */
  send (message: Ask | Pass | Probed | ShutdownMessage): void {
    // Its end comes as an event of its own.
    if (this.worker.isConnected()) this.worker.process.send(message, () => {})
  }

  #hear (tell: Tell): void {
    this.#heardAt = performance.now()
    this.#heard = true
    this.#obey()
    if ('report' in tell) return void this.reports.push(tell.report)
    if ('id' in tell && tell.id !== undefined) this.#asked.answer(tell.id, tell)
    if (!('state' in tell) || !this.alive) return
    this.#state = tell.state
    this.#orphans.note(tell.state.descendants)
    if (tell.state.ready) {
      this.#readySince ??= performance.now()
      this.#settled.resolve()
    }
    this.#events.changed(this)
  }

  #lookLater (): void {
    if (!this.alive) return
    this.#timer = setTimeout(() => {
      // A question before its side of the channel listens is lost.
      if (!this.#heard) return this.#lookLater()
      // A check that hangs must not make the child look dead: its own timeout is shorter.
      this.ask('state', patience)
        .catch(() => {
          if (this.alive) this.#events.changed(this)
        })
        .finally(() => this.#lookLater())
    }, this.#readySince === undefined ? startInterval : interval)
  }

  #exited (end: ChildEnd): void {
    this.#end = end
    this.#state = { ...this.#state, ready: false }
    for (const timer of [this.#timer, this.#messageTimer, this.#killTimer]) clearTimeout(timer)
    this.#asked.answerAll((id) => ({ type: messageType, id, error: 'the child has ended' }))
    this.#settled.resolve()
    this.#events.exited(this, end)
  }

  /** What it has left behind may write as well, and is not left alone. */
  async #afterwards (): Promise<void> {
    const pids = this.#orphans.alive
    if (pids.length > 0) {
      const killed = await this.#orphans.gone(this.#events.orphaned(this, pids))
      if (killed.length > 0) this.#events.killed(this, killed)
    }
    for (const stream of this.#streams) stream.finish(quiet, this.#longestEnd)
    await Promise.all(this.#streams.map(({ ended }) => ended))
  }
}

import { isAtLeast, phaseNumber } from './phase.ts'
import type { HookPhase, Phase, StallPhase } from './phase.ts'
import type { Budget } from './budget.ts'
import type { Clock } from './clock.ts'
import { PhaseHooks } from './hooks.ts'
import { Participants } from './participants.ts'
import type { Failure, Stall } from './participants.ts'
import { completeReport, draftReport } from './report.ts'
import type { Cut, PhaseEnd, PhaseRecord, Report, ReportDraft, ShutdownKind, TrafficSummary } from './report.ts'
import { Work } from './work.ts'
import { errors, messageOf } from '../errors.ts'

/** Milliseconds between two rounds of asking; whoever ends a wait also wakes the machine at once. */
export const tickInterval = 25
/** Cap of every phase of a fast shutdown, Zope's own figure, in milliseconds. */
export const fastCap = 1000
/** Cap of phase 1 after a crash, in milliseconds. */
export const crashAnnounceCap = 1000
/** Cap of phase 3 after a crash, in milliseconds. */
export const crashDrainCap = 10_000

/** What the machine drives. Rooms outside `lifecycle` stand behind these functions. */
export interface Ports {
  /** Ends whatever is left at the end of phase 3, and says what it was. */
  cut (): Omit<Cut, 'waiting'>
  /** Phase 4: `app.close()`. */
  end (): Promise<unknown>
  /** What traffic did. */
  traffic (): TrafficSummary
  /** What an operator should change. */
  advice (report: ReportDraft): string[]
  /** Who else of the same process is not done with this phase yet. */
  others (): string | undefined
  /** A failure, as it happens. */
  failed (failure: Failure & { phase: Phase }): void
}

/** A request to end. */
export interface ShutdownRequest {
  kind: ShutdownKind
  reason: string
  /** The exit code where nothing goes wrong. Default 0. */
  exitCode?: number
  /** Whether phase 1 takes place. Default `true`. */
  announce?: boolean
}

type PhaseListener = (phase: Phase, previous: Phase, record: PhaseRecord) => void

/**
 * The state machine. Nothing outside it writes the phase; it knows neither Fastify nor the process nor sockets,
 * and time only through a {@link Clock}, so every rule can be tested without any of them.
 */
export class Lifecycle {
  readonly participants: Participants
  readonly observers: Participants
  readonly hooks: PhaseHooks
  readonly work: Work
  readonly budget: Budget
  readonly #clock: Clock
  readonly #ports: Ports
  readonly #listeners = new Set<PhaseListener>()
  readonly #records: PhaseRecord[] = []
  readonly #failures: Report['failures'] = []
  readonly #waiting: string[] = []
  readonly #done = withResolvers<Report>()

  #phase: Phase = 'running'
  #since: number
  #sinceEpoch: number
  /** What was asked for; undefined while running and during a drain by hand. First one wins. */
  #request: ShutdownRequest | undefined
  /** When the kubelet's clock started; undefined while no shutdown was asked for. */
  #graceStart: number | undefined
  /** What phase 1's cap is counted from; it starts anew when a drain by hand turns into a shutdown. */
  #capSince = 0
  #startedEpoch = 0
  #startedAt = 0
  #fast = false
  /** Nobody of this application stalls the current phase, in the last round of asking. */
  #clear = false
  #announced: ReturnType<typeof withResolvers<void>> | undefined
  #endState: 'not started' | 'running' | 'settled' = 'not started'
  #cutItems: Omit<Cut, 'waiting'> = { requests: [], streams: 0, upgraded: 0 }
  #cancelTick: (() => void) | undefined
  #poked = false
  #report: Report | undefined

  constructor (clock: Clock, budget: Budget, ports: Ports) {
    this.#clock = clock
    this.#ports = ports
    this.budget = budget
    this.#since = clock.now()
    this.#sinceEpoch = clock.epoch()
    const onFailure = (failure: Failure): void => this.fail(failure)
    const poke = (): void => this.poke()
    this.participants = new Participants(clock, onFailure, poke)
    this.observers = new Participants(clock, onFailure, poke)
    this.hooks = new PhaseHooks(clock, onFailure, poke)
    this.work = new Work(poke, (name, message) => ports.failed({ name, message, phase: this.#phase }))
  }

  get phase (): Phase { return this.#phase }
  /** Epoch milliseconds at which the current phase began. */
  get since (): number { return this.#sinceEpoch }
  /** Milliseconds spent in the current phase. */
  get elapsed (): number { return this.#clock.now() - this.#since }
  /** Whether an end was asked for, which a drain by hand is not. */
  get ending (): boolean { return this.#request !== undefined }
  /** Whether nobody of this application stalls the current phase any more. */
  get clear (): boolean { return this.#clear }
  get report (): Report | undefined { return this.#report }
  /** Settles with the report when phase 4 is over. */
  get done (): Promise<Report> { return this.#done.promise }
  get request (): Readonly<ShutdownRequest> | undefined { return this.#request }

  /** Epoch milliseconds by which all work must be over; undefined while no end was asked for. */
  get deadline (): number | undefined {
    if (this.#graceStart === undefined) return undefined
    return Math.round(this.#clock.epoch() + this.#drainEnd() - this.#clock.now())
  }

  /** Calls `listener` after each change of phase. */
  onPhase (listener: PhaseListener): void {
    this.#listeners.add(listener)
  }

  /**
   * Begins the end, or joins it: everybody gets the same report. The first reason and the first exit code win.
   */
  shutdown (request: ShutdownRequest): Promise<Report> {
    if (this.#request !== undefined) return this.done
    this.#request = request
    const now = this.#clock.now()
    this.#graceStart ??= now - (request.kind === 'close' ? 0 : this.budget.preStop)
    if (this.#phase === 'running') {
      this.#start(now)
      this.#advance(request.announce === false ? 'closing' : 'announcing', 'condition')
    } else {
      this.#capSince = now
      if (request.announce === false) this.#advance('closing', 'condition')
    }
    this.poke()
    return this.done
  }

  /** A drain by hand: phase 1 without a cap and without a deadline. */
  drain (): void {
    this.#drain('a drain needs phase running')
  }

  /** Phase 1 as a preStop hook wants it: the grace period runs, and the promise settles when phase 1 could end. */
  prestop (): Promise<void> {
    if (this.#phase === 'running') this.#drain('')
    if (this.#phase !== 'announcing') return Promise.resolve()
    // The kubelet's clock starts with its first call; a second one joins.
    if (this.#graceStart === undefined) this.#capSince = this.#graceStart = this.#clock.now()
    this.#announced ??= withResolvers<void>()
    this.poke()
    return this.#announced.promise
  }

  /** Back to phase 0, while no signal came. */
  undrain (): void {
    if (this.#phase !== 'announcing' || this.#request !== undefined) {
      throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, 'running', this.#request === undefined ? 'only phase announcing can be undone' : `a shutdown is under way (${this.#request.reason})`)
    }
    this.#graceStart = undefined
    this.#settleAnnounced()
    this.#stopTicking()
    this.#enter('running', 'undrain', [])
  }

  /** Every phase is capped at one second from now on. */
  hurry (): void {
    this.#fast = true
    this.poke()
  }

  /** Records a failure, which never stops anything. */
  fail (failure: Failure): void {
    const entry = { ...failure, phase: this.#phase }
    if (this.#failures.some((known) => known.name === entry.name && known.message === entry.message)) return
    this.#failures.push(entry)
    this.#ports.failed(entry)
  }

  /** Asks again as soon as possible, because something has ended. */
  poke (): void {
    if (this.#poked || this.#phase === 'running' || this.#report !== undefined) return
    this.#stopTicking()
    this.#poked = true
    this.#cancelTick = this.#clock.after(0, () => this.#tick())
  }

  /** Who stalls now, for those who want to look. Asks nobody. */
  stalls (): Stall[] {
    return this.#stalls
  }

  #stalls: Stall[] = []

  #drain (why: string): void {
    if (this.#phase !== 'running') throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, 'announcing', why)
    this.#start(this.#clock.now())
    this.#advance('announcing', 'condition')
    this.poke()
  }

  #start (now: number): void {
    this.#startedAt = now
    this.#capSince = now
    this.#startedEpoch = this.#clock.epoch()
  }

  #tick (): void {
    this.#poked = false
    this.#cancelTick = undefined
    if (this.#report !== undefined || this.#phase === 'running') return
    const phase = this.#phase
    const now = this.#clock.now()
    this.#stalls = phase === 'terminated' ? this.#finalStalls() : this.#ask(phase, now - this.#since)
    const floorEnd = this.#floorEnd()
    this.#clear = this.#stalls.length === 0 && now >= floorEnd
    if (this.#clear) {
      const others = this.#ports.others()
      if (others !== undefined) this.#stalls = [{ name: 'other applications of this process', reason: others }]
    }
    const capEnd = this.#capEnd()
    if (now >= capEnd) return this.#leave('cap')
    if (this.#clear && this.#stalls.length === 0) {
      if (phase !== 'announcing' || this.#request !== undefined) return this.#leave('condition')
      this.#settleAnnounced()
    }
    const next = Math.min(tickInterval, capEnd - now, now < floorEnd ? floorEnd - now : tickInterval)
    this.#cancelTick = this.#clock.after(Math.max(1, next), () => this.#tick())
  }

  #ask (phase: StallPhase, elapsed: number): Stall[] {
    const stalls = [...this.observers.ask(phase, elapsed), ...this.participants.ask(phase, elapsed), ...this.hooks.stalls()]
    return phase === 'draining' ? [...stalls, ...this.work.stalls()] : stalls
  }

  #finalStalls (): Stall[] {
    const stalls = this.hooks.stalls()
    if (stalls.length > 0 || this.#endState === 'settled') return stalls
    if (this.#endState === 'not started') {
      this.#endState = 'running'
      const settled = (): void => {
        this.#endState = 'settled'
        this.poke()
      }
      // `end` may throw before it answers.
      new Promise((resolve) => { resolve(this.#ports.end()) }).then(settled, (error: unknown) => {
        this.fail({ name: 'close', message: messageOf(error) })
        settled()
      })
    }
    return [{ name: 'close', reason: 'onClose hooks are running' }]
  }

  /** Monotonic time before which the phase does not end, whatever is observed. */
  #floorEnd (): number {
    if (this.#phase !== 'announcing' || this.#fast) return 0
    const { min } = this.budget.announce
    return this.#since + (this.#request?.kind === 'crash' ? Math.min(min, crashAnnounceCap) : min)
  }

  /** Monotonic time at which the phase ends, whatever anybody says. */
  #capEnd (): number {
    const { announce, closing, close } = this.budget
    const fast = this.#fast ? fastCap : Infinity
    const crash = this.#request?.kind === 'crash'
    switch (this.#phase) {
      case 'announcing':
        if (this.#request === undefined) return Infinity
        return this.#capSince + Math.min(announce.max, fast, crash ? crashAnnounceCap : Infinity)
      case 'closing':
        return this.#since + Math.min(closing, fast)
      case 'draining':
        return Math.min(this.#drainEnd(), this.#since + Math.min(fast, crash ? crashDrainCap : Infinity))
      case 'running':
      case 'terminated':
        return this.#since + Math.min(close, fast)
    }
  }

  #drainEnd (): number {
    const { gracePeriod, reserve, close } = this.budget
    return (this.#graceStart ?? this.#clock.now()) + gracePeriod - reserve - close
  }

  #leave (endedBy: PhaseEnd): void {
    const next: Partial<Record<Phase, Phase>> = { announcing: 'closing', closing: 'draining', draining: 'terminated' }
    if (this.#phase === 'draining') this.#cut(endedBy)
    const to = next[this.#phase]
    if (to === undefined) return this.#finish(endedBy)
    this.#advance(to, endedBy)
    this.poke()
  }

  #cut (endedBy: PhaseEnd): void {
    if (endedBy === 'cap') {
      const names = [...this.participants.ask('draining', this.elapsed), ...this.hooks.stalls(), ...this.work.stalls()].map((stall) => stall.name)
      this.#waiting.push(...names)
    }
    this.#cutItems = this.#ports.cut()
  }

  /** The one place where the phase goes up. */
  #advance (to: Phase, endedBy: PhaseEnd): void {
    if (phaseNumber(to) <= phaseNumber(this.#phase)) throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, to, 'phases only go up')
    const stalledBy = endedBy === 'cap' ? this.#stalls : []
    if (isAtLeast(to, 'closing')) this.#settleAnnounced()
    this.#enter(to, endedBy, stalledBy)
    this.hooks.start(to as HookPhase, this.#request?.reason ?? 'drain', this.deadline)
  }

  #enter (to: Phase, endedBy: PhaseEnd, stalledBy: Stall[]): void {
    const previous = this.#phase
    const record: PhaseRecord = { phase: previous, duration: Math.round(this.elapsed), endedBy, stalledBy }
    if (previous !== 'running') this.#records.push(record)
    this.hooks.abandon()
    this.#phase = to
    this.#since = this.#clock.now()
    this.#sinceEpoch = this.#clock.epoch()
    this.#stalls = []
    this.#clear = false
    for (const listener of this.#listeners) {
      try {
        listener(to, previous, record)
      } catch (error) {
        this.fail({ name: `listener of phase '${to}'`, message: messageOf(error) })
      }
    }
  }

  #finish (endedBy: PhaseEnd): void {
    if (endedBy === 'cap') this.#waiting.push(...this.#stalls.map((stall) => stall.name))
    this.#records.push({ phase: 'terminated', duration: Math.round(this.elapsed), endedBy, stalledBy: endedBy === 'cap' ? this.#stalls : [] })
    this.#stopTicking()
    const { kind, reason, exitCode = 0 } = this.#request ?? { kind: 'shutdown', reason: 'unknown' }
    const draft = draftReport({
      kind,
      reason,
      exitCode,
      startedAt: this.#startedEpoch,
      duration: Math.round(this.#clock.now() - this.#startedAt),
      gracePeriod: this.budget.gracePeriod,
      phases: this.#records,
      traffic: this.#ports.traffic(),
      cut: { ...this.#cutItems, waiting: this.#waiting },
      failures: this.#failures
    })
    this.#report = completeReport(draft, this.#ports.advice(draft))
    this.#done.resolve(this.#report)
  }

  #settleAnnounced (): void {
    this.#announced?.resolve()
    this.#announced = undefined
  }

  #stopTicking (): void {
    this.#cancelTick?.()
    this.#cancelTick = undefined
    this.#poked = false
  }
}

// Promise.withResolvers comes with Node 22.
function withResolvers<T> (): { promise: Promise<T>, resolve: (value: T | PromiseLike<T>) => void, reject: (reason?: unknown) => void } {
  let resolve!: (value: T | PromiseLike<T>) => void
  let reject!: (reason?: unknown) => void
  const promise = new Promise<T>((_resolve, _reject) => {
    resolve = _resolve
    reject = _reject
  })
  return { promise, resolve, reject }
}

import { constants } from 'node:os'
import { setTimeout } from 'node:timers'
import { agedApplications, WatchedStates } from './watched-states.ts'
import type { LoopState } from './verdict.ts'
import { Answers } from './answers.ts'
import { MainThread, mainThreadState } from './inspect.ts'
import type { Pause } from './inspect.ts'
import { killProcess, sigkill } from './kill.ts'
import type { Postmortem } from './kill.ts'
import { ParentWatch, Signals } from './signals.ts'
import { planEndByMemory } from '../kill-deadline.ts'
import type { ProcessEnd, Unheard } from '../kill-deadline.ts'
import type { ThreadData, ToMain, ToThread, WatchedState } from '../protocol.ts'
import { heartbeatInterval, monotonic, Heartbeat, silent } from '../heartbeat.ts'
import type { ServerPorts } from './routes.ts'
import { BlockedDetector, BlockedReport } from './blocked.ts'
import type { Look } from './blocked.ts'

/** Milliseconds between two looks at a heartbeat that is overdue, and at most between two others. */
const lookInterval = 100
const restInterval = 1500
/** Milliseconds before a blocked event loop is reported at which the inspector is connected to the main thread. */
const preparation = 500

/** What looks at the heartbeat, in the watchdog's thread. Nothing here waits for the main thread. */
export class Watcher {
  readonly #data: ThreadData
  readonly #post: (message: ToMain) => void
  readonly #heartbeat: Heartbeat
  readonly #detector: BlockedDetector
  readonly #parent: ParentWatch
  readonly #signals = new Signals(monotonic, ({ name }) => this.#signalled(name))
  readonly #mainThread = new MainThread()
  readonly #answers: Answers
  readonly #states: WatchedStates
  readonly #report: BlockedReport
  #killing = false
  /** When the next look is to take place. */
  #due = monotonic()
  /** The inspector is connected, or has been and is done. */
  #prepared = false
  #timer: NodeJS.Timeout | undefined

  constructor (data: ThreadData, post: (message: ToMain) => void) {
    this.#data = data
    this.#post = post
    this.#heartbeat = new Heartbeat(data.buffer)
    this.#states = new WatchedStates(data.snapshots)
    this.#detector = new BlockedDetector(data.blocked, monotonic())
    this.#parent = new ParentWatch(data.parent)
    this.#report = new BlockedReport({
      mainThread: this.#mainThread,
      heartbeat: this.#heartbeat,
      inspect: data.inspect,
      unblocked: (record) => post({ type: 'unblocked', record })
    })
    this.#answers = new Answers({
      applications: () => this.#states.seen,
      verdicts: () => this.#states.verdicts,
      learn: (verdicts) => this.#states.learn(verdicts),
      loop: () => this.#loop(),
      unheard: () => this.#unheard,
      setPrestop: (at) => { this.#heartbeat.prestop = at },
      blockedIn: () => this.#heartbeat.blockedIn,
      post
    })
  }

  start (): void {
    // What a thread before this one has left behind.
    if (this.#data.watches) this.#heartbeat.blockedIn = undefined
    this.#look()
  }

  receive (message: ToThread): void {
    switch (message.type) {
      case 'answer':
      case 'metrics':
        this.#answers.receive(message)
        return
      case 'hello':
        this.#post({ type: 'ready', id: message.id, signals: this.#signals.available })
        return
      case 'farewell':
        this.#answers.farewell(message.status)
        this.#heartbeat.bidFarewell()
        return
      case 'applications': this.#hear(message)
    }
  }

  #hear (message: ToThread & { type: 'applications' }): void {
    // What was answered before counts for the phase before.
    this.#answers.report()
    const { hasBooted } = this.#states
    this.#states.receive(message)
    if (!hasBooted && this.#states.hasBooted && this.#data.server !== undefined) this.#answers.started()
    this.#signals.update(this.#states.told)
    this.#hasten()
  }

  /** The last heartbeat; now where a person holds the main thread. */
  get lastSeen (): number {
    const { last } = this.#heartbeat
    const now = monotonic()
    return this.#isHeldByPerson(now - last) ? now : last
  }

  /** What the server asks. */
  get ports (): ServerPorts { return this.#answers.ports }

  #loop (): LoopState {
    const silence = this.#detector.silence(this.#heartbeat.last, monotonic())
    const { blocked } = this.#detector
    return {
      silence,
      blocked: blocked || this.#isLeavingUnheard(silence),
      dead: this.#states.hasBooted && blocked && silence > this.#data.liveness
    }
  }

  get #unheard (): Unheard {
    return { signals: this.#signals.seen, prestop: this.#heartbeat.prestop }
  }

  /** An end that the main thread has not heard of, because it hangs. */
  #isLeavingUnheard (silence: number): boolean {
    if (silence <= silent) return false
    const name = this.#signals.seen[0]?.name ?? ''
    return this.#heartbeat.prestop !== undefined || this.#states.told.some(({ signals }) => signals.includes(name))
  }

  #signalled (signal: string): void {
    const number = constants.signals[signal as NodeJS.Signals] ?? 0
    if (this.#data.watches) this.#post({ type: 'signal', signal, number })
    this.#hasten()
  }

  #hasten (): void {
    if (this.#timer === undefined || this.#killing) return
    clearTimeout(this.#timer)
    this.#lookAgain(0)
  }

  #look (): void {
    const now = monotonic()
    const beat = this.#heartbeat.last
    if (this.#isHeldByPerson(now - beat)) this.#detector.wake(now)
    const { seen } = this.#signals
    if (seen.length > 0) this.#heartbeat.signalled = seen.at(-1)!.at
    this.#signals.forget(beat)
    if (now - beat <= silent) this.#answers.turned(beat)
    const look = this.#detector.look(beat, now, this.#due)
    const end = planEndByMemory(this.#states.told, this.#unheard, now)
    if (this.#data.watches && this.#act(look, end, now)) return
    this.#lookAgain(this.#nextLook(end, beat, now))
  }

  /** Does what follows from a look; true where the process is being ended, and needs no other. */
  #act (look: Look | undefined, end: ProcessEnd | undefined, now: number): boolean {
    const beat = this.#heartbeat.last
    if (now - beat > silent) this.#parent.look()
    // Boot is allowed to take its time.
    if (look?.change === 'blocked' && this.#states.hasBooted) void this.#report.begin(look.age)
    if (look?.change === 'unblocked') this.#report.end(look.duration)
    if (end !== undefined && this.#isOver(end, now)) {
      this.#kill(end, now).catch(sigkill)
      return true
    }
    this.#prepare(end, this.#detector.silence(beat, now))
    return false
  }

  #lookAgain (delay: number): void {
    this.#due = monotonic() + delay
    this.#timer = setTimeout(() => this.#look(), delay)
  }

  /** A fresh heartbeat cannot be overdue for a while; the deadline is met to the millisecond. */
  #nextLook (end: ProcessEnd | undefined, beat: number, now: number): number {
    if (end !== undefined) {
      return Math.max(1, Math.min(lookInterval / 2, now < end.hung ? end.hung - now : lookInterval / 4))
    }
    if (this.#detector.blocked) return lookInterval
    const overdue = beat + Math.max(silent, this.#data.blocked - preparation)
    return Math.min(restInterval, Math.max(lookInterval, overdue - now))
  }

  #isOver ({ hung, surely, hurry, turning }: ProcessEnd, now: number): boolean {
    const beat = this.#heartbeat.last
    if (this.#isHeldByPerson(now - beat)) return false
    const longest = now >= hurry ? heartbeatInterval : silent + Math.max(0, surely - now) / 2
    return now >= turning || (now >= hung && this.#detector.silence(beat, now) > longest)
  }

  /** On a busy machine the connection takes longer than a kill, or a line about a blocked event loop, may. */
  #prepare (end: ProcessEnd | undefined, silence: number): void {
    const wanted = silence > (end === undefined ? Math.max(silent, this.#data.blocked - preparation) : silent)
    if (!this.#data.inspect || this.#heartbeat.debuggable || (wanted === this.#prepared)) return
    this.#prepared = wanted
    try {
      if (wanted) this.#mainThread.prepare()
      else this.#mainThread.disconnect()
    } catch {
      // What follows does without a stack.
    }
  }

  /** Whether a person holds it at a breakpoint. Without a look from outside, an open inspector is taken for one. */
  #isHeldByPerson (age: number): boolean {
    if (!this.#heartbeat.debuggable || age <= silent) return false
    const { computes, waits } = mainThreadState()
    return computes === undefined || waits
  }

  #kill (end: ProcessEnd, now: number): Promise<void> {
    this.#killing = true
    this.#report.stop()
    const [signal] = this.#signals.seen
    const signalledAt = signal && Date.now() - (now - Math.min(signal.at, this.#heartbeat.prestop ?? signal.at))
    const { inspect, terminationMessagePath } = this.#data
    const asked = this.#detector.silence(this.#heartbeat.last, now)
    const compose = (pause: Pause | undefined, applications: WatchedState[] | undefined): Postmortem => {
      const silence = pause === undefined ? this.#detector.silence(this.#heartbeat.last, monotonic()) : asked
      // At the last moment a missed heartbeat is enough, where there was no pause either.
      const hangs = silence > (inspect && pause === undefined ? heartbeatInterval : silent)
      return {
        applications: applications ?? agedApplications(this.#states.seen, monotonic()),
        signal: signal?.name,
        signalledAt,
        exitCode: end.exitCode,
        hang: hangs ? this.#report.hang(silence, pause?.stack) : undefined
      }
    }
    const last = now >= end.turning ? end.last : end.last - end.teardown
    return killProcess({
      mainThread: inspect ? this.#mainThread : undefined,
      exitCode: end.exitCode,
      left: last - now,
      terminationMessagePath,
      reservedFd: this.#data.reservedFd,
      compose
    })
  }
}

import { constants } from 'node:os'
import { setTimeout } from 'node:timers'
import { buildVerdict, publicStatusOf } from './answers.ts'
import type { LoopState } from './answers.ts'
import { frameText, MainThread } from './inspect.ts'
import type { Frame, Pause } from './inspect.ts'
import { killProcess } from './kill.ts'
import { hangFields, heldBy } from './obituary.ts'
import type { Hang, Obituary } from './obituary.ts'
import { logLine, writeError } from './output.ts'
import { planEnd } from './plan.ts'
import type { ProcessEnd } from './plan.ts'
import type { StallRecord, ThreadData, ToMain, ToThread, Verdicts, WardState } from './protocol.ts'
import { heartbeatInterval, monotonic, Pulse } from './pulse.ts'
import type { ServerPorts } from './routes.ts'
import { Signals } from './signals.ts'
import { mainThreadState } from './thread-state.ts'
import { Watch } from './watch.ts'

/** Milliseconds between two looks at a heartbeat that is overdue, and at most between two others. */
const lookInterval = 100
const restInterval = 1000
/** A heartbeat older than this means that the event loop does not turn now, in milliseconds. */
const silent = 2 * heartbeatInterval
/** How long a pause is waited for before the stall is reported without a stack, in milliseconds. */
const pauseTimeout = 350
/** How long before a stall is reported the inspector is connected to a main thread that does not turn, in milliseconds. */
const preparation = 500
/** How long the main thread may take for the whole status, in milliseconds. */
const statusTimeout = 15

/** What watches, in its own thread. Nothing here waits for the main thread. */
export class Guard {
  readonly #data: ThreadData
  readonly #post: (message: ToMain) => void
  readonly #pulse: Pulse
  readonly #watch: Watch
  readonly #signals = new Signals(monotonic, ({ name }) => this.#signalled(name))
  readonly #mainThread = new MainThread()
  readonly #questions = new Map<number, (value: unknown) => void>()
  #wards: WardState[] = []
  #verdicts: Verdicts[] = []
  #prestop: number | undefined
  /** What held the event loop in the stall that is under way. */
  #stall: StallRecord | undefined
  #killing = false
  /** When the next look is to take place. */
  #due = monotonic()
  /** The inspector is connected, or has been and is done. */
  #prepared = false
  #timer: NodeJS.Timeout | undefined
  #asked = 0

  constructor (data: ThreadData, post: (message: ToMain) => void) {
    this.#data = data
    this.#post = post
    this.#pulse = new Pulse(data.buffer)
    this.#watch = new Watch(data.stall, monotonic())
  }

  start (): void {
    this.#look()
  }

  receive (message: ToThread): void {
    switch (message.type) {
      case 'answer':
        this.#questions.get(message.id)?.(message.value)
        return
      case 'hello':
        this.#post({ type: 'ready', id: message.id, signals: this.#signals.available })
        return
      case 'wards': this.#hear(message)
    }
  }

  #hear (message: ToThread & { type: 'wards' }): void {
    this.#wards = message.wards
    if (message.verdicts !== undefined) this.#verdicts = message.verdicts
    this.#signals.ending = this.#wards.some(({ ending }) => ending)
    this.#signals.update(this.#wards)
    this.#hasten()
  }

  /** What the server asks. */
  get ports (): ServerPorts {
    return {
      verdict: (kind, question) => buildVerdict(kind, this.#verdicts, this.#loop(), question),
      publicStatus: () => publicStatusOf(this.#wards, this.#ready()),
      status: () => this.#status(),
      prestop: () => this.#announce()
    }
  }

  #loop (): LoopState {
    const silence = this.#watch.silence(this.#pulse.last, monotonic())
    const { stalled } = this.#watch
    return { silence, stalled: stalled || this.#isLeavingUnheard(silence), dead: stalled && silence > this.#data.liveness }
  }

  /** An end that the main thread has not heard of, because it hangs. */
  #isLeavingUnheard (silence: number): boolean {
    if (silence <= silent) return false
    return this.#prestop !== undefined || this.#wards.some((ward) => ward.signals.includes(this.#signals.seen[0]?.name ?? ''))
  }

  #ready (): boolean {
    return !this.#loop().stalled && this.#wards.length > 0 && this.#wards.every(({ ready }) => ready)
  }

  async #status (): Promise<object> {
    const { silence, stalled } = this.#loop()
    const known = { ...publicStatusOf(this.#wards, this.#ready()), applications: this.#wards, eventLoop: { silence: Math.round(silence), stalled, blockedIn: this.#stall?.blockedIn } }
    if (silence > silent) return known
    const answer = await this.#ask((id) => ({ type: 'status', id }), statusTimeout)
    return typeof answer === 'object' && answer !== null ? answer : known
  }

  /** The countdown starts with the call, whatever the main thread does; it is over with the main thread's, or when phase 1 could not last longer. */
  async #announce (): Promise<void> {
    const at = this.#prestop ??= monotonic()
    const longest = Math.max(0, ...this.#wards.map(({ announceMax }) => announceMax))
    await this.#ask((id) => ({ type: 'prestop', id, at }), at + longest - monotonic())
  }

  async #ask (question: (id: number) => ToMain, timeout: number): Promise<unknown> {
    const id = ++this.#asked
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve) => {
        this.#questions.set(id, resolve)
        timer = setTimeout(resolve, Math.max(1, timeout), undefined)
        this.#post(question(id))
      })
    } finally {
      clearTimeout(timer)
      this.#questions.delete(id)
    }
  }

  #signalled (signal: string): void {
    this.#post({ type: 'signal', signal, number: constants.signals[signal as NodeJS.Signals] ?? 0 })
    this.#hasten()
  }

  #hasten (): void {
    if (this.#timer === undefined || this.#killing) return
    clearTimeout(this.#timer)
    this.#lookAgain(0)
  }

  #look (): void {
    const now = monotonic()
    const beat = this.#pulse.last
    if (this.#isHeldByPerson(now - beat)) this.#watch.wake(now)
    const { seen } = this.#signals
    if (seen.length > 0) this.#pulse.signalled = seen.at(-1)!.at
    this.#signals.forget(beat)
    if (this.#prestop !== undefined && beat > this.#prestop + 2 * silent) this.#prestop = undefined
    const look = this.#watch.look(beat, now, this.#due)
    // Boot is allowed to take its time.
    if (look?.change === 'stalled' && this.#wards.some(({ started }) => started)) void this.#report(look.age)
    if (look?.change === 'recovered') this.#recovered(look.duration)
    const end = planEnd(this.#wards, { signals: this.#signals.seen, prestop: this.#prestop })
    if (end !== undefined && this.#isOver(end, now)) {
      void this.#kill(end, now)
      return
    }
    this.#prepare(end, this.#watch.silence(this.#pulse.last, now))
    this.#lookAgain(this.#nextLook(end, beat, now))
  }

  #lookAgain (delay: number): void {
    this.#due = monotonic() + delay
    this.#timer = setTimeout(() => this.#look(), delay)
  }

  /** A fresh heartbeat cannot be overdue for a while; the deadline is met to the millisecond. */
  #nextLook (end: ProcessEnd | undefined, beat: number, now: number): number {
    if (end !== undefined) return Math.max(1, Math.min(lookInterval / 2, now < end.hung ? end.hung - now : lookInterval / 4))
    if (this.#watch.stalled) return lookInterval
    const overdue = beat + Math.max(silent, this.#data.stall - preparation)
    return Math.min(restInterval, Math.max(lookInterval, overdue - now))
  }

  #isOver ({ hung, turning }: ProcessEnd, now: number): boolean {
    const beat = this.#pulse.last
    if (this.#isHeldByPerson(now - beat)) return false
    return now >= turning || (now >= hung && this.#watch.silence(beat, now) > silent)
  }

  /** On a busy machine the connection takes longer than a kill, or a line that tells of a stall, may. */
  #prepare (end: ProcessEnd | undefined, silence: number): void {
    const wanted = silence > (end === undefined ? Math.max(silent, this.#data.stall - preparation) : silent)
    if (!this.#data.inspect || this.#pulse.debuggable || (wanted === this.#prepared)) return
    this.#prepared = wanted
    try {
      if (wanted) this.#mainThread.prepare()
      else this.#mainThread.disconnect()
    } catch {
      // What follows does without a stack.
    }
  }

  /** A breakpoint is not a stall. Without a look at the thread from outside, an open inspector is taken for a person. */
  #isHeldByPerson (age: number): boolean {
    if (!this.#pulse.debuggable || age <= silent) return false
    const { computes, waits } = mainThreadState()
    return computes === undefined || waits
  }

  async #report (age: number): Promise<void> {
    const pause = await this.#pause()
    if (this.#killing) return
    const stack = pause?.stack
    pause?.release()
    const hang = this.#hang(age, stack)
    this.#stall = { duration: age, at: Date.now(), blockedIn: stack?.[0] && frameText(stack[0]) }
    writeError(logLine(50, { event: 'graceful.stall', ...hangFields(hang) }, `the event loop has not turned for ${Math.round(age)} ms, ${heldBy(hang)}`))
    if (pause === undefined) this.#awaitReturn(this.#stall)
  }

  /** Native code gives no pause before it returns; what called it is known then. */
  #awaitReturn (stall: StallRecord): void {
    // Left connected, an exit would wait for us.
    if (this.#pulse.debuggable) return this.#mainThread.disconnect()
    void this.#mainThread.pending?.then((pause) => {
      if (pause === undefined || this.#killing) return
      stall.blockedIn = pause.stack[0] && frameText(pause.stack[0])
      pause.release()
    })
  }

  #recovered (duration: number): void {
    if (this.#killing) return
    this.#mainThread.disconnect()
    const stall = this.#stall
    this.#stall = undefined
    if (stall !== undefined) this.#post({ type: 'recovered', stall: { ...stall, duration: Math.round(duration) } })
  }

  async #pause (): Promise<Pause | undefined> {
    if (!this.#data.inspect) return undefined
    return this.#mainThread.pause(pauseTimeout).catch(() => undefined)
  }

  #hang (silence: number, stack: Frame[] | undefined): Hang {
    return { silence, stack, inspect: this.#data.inspect, state: mainThreadState() }
  }

  #kill (end: ProcessEnd, now: number): Promise<void> {
    this.#killing = true
    const silence = this.#watch.silence(this.#pulse.last, now)
    const signal = this.#signals.seen[0]?.name
    const compose = (pause: Pause | undefined, wards: WardState[] | undefined): Obituary =>
      ({ wards: wards ?? this.#wards, signal, exitCode: end.exitCode, hang: silence > silent ? this.#hang(silence, pause?.stack) : undefined })
    const { inspect, terminationMessagePath } = this.#data
    return killProcess({ mainThread: inspect ? this.#mainThread : undefined, exitCode: end.exitCode, left: end.last - now, terminationMessagePath, compose })
  }
}

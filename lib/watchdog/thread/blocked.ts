import { logLine, writeError } from '../../process/stderr.ts'
import type { TerminationRecord } from '../../platform/kubernetes/message.ts'
import type { Heartbeat } from '../heartbeat.ts'
import type { BlockedRecord } from '../protocol.ts'
import { frameText, mainThreadState } from './inspect.ts'
import type { Frame, MainThread, Pause, ThreadState } from './inspect.ts'

/** Milliseconds by which a look may be late before the silence counts as that of the whole process. */
const lateness = 400
/** How long a pause is waited for before the block is reported without a stack, in milliseconds. */
const pauseTimeout = 350

/** What a look at the heartbeat has brought. Times are milliseconds. */
export type Look =
  | { change: 'blocked', age: number }
  | { change: 'unblocked', duration: number }
  | undefined

/** Tells from the heartbeat of the main thread whether its event loop is blocked. */
export class BlockedDetector {
  readonly #threshold: number
  /** Silence counts from here: the process was started, stopped, or held by a person before. */
  #awake: number
  /** The last heartbeat before the block that is under way. */
  #since: number | undefined

  /**
   * @param threshold how old a heartbeat may be
   */
  constructor (threshold: number, now: number) {
    this.#threshold = threshold
    this.#awake = now
  }

  /** Whether the event loop is blocked. */
  get blocked (): boolean {
    return this.#since !== undefined
  }

  /** How long the event loop has not turned; not what the whole process slept through. */
  silence (beat: number, now: number): number {
    return Math.max(0, now - Math.max(beat, this.#awake))
  }

  /** Nothing before `now` counts as silence. */
  wake (now: number): void {
    this.#awake = now
  }

  /**
   * @param beat the last heartbeat
   * @param due when this look was to take place
   */
  look (beat: number, now: number, due: number): Look {
    // A process that was stopped, or whose machine slept, held both threads alike.
    if (now - due > lateness && this.#since === undefined) this.wake(now)
    if (this.#since !== undefined) {
      if (beat <= this.#since) return undefined
      const duration = beat - this.#since
      this.#since = undefined
      return { change: 'unblocked', duration }
    }
    const age = this.silence(beat, now)
    if (age <= this.#threshold) return undefined
    this.#since = Math.max(beat, this.#awake)
    return { change: 'blocked', age }
  }
}

/** What the report of a blocked event loop needs. */
export interface BlockedReportPorts {
  mainThread: MainThread
  heartbeat: Heartbeat
  /** Whether the inspector may be used at all. */
  inspect: boolean
  /** The event loop turns again. */
  unblocked: (record: BlockedRecord) => void
}

/** The block that is under way: what holds the event loop, and what is said of it. */
export class BlockedReport {
  readonly #ports: BlockedReportPorts
  #current: BlockedRecord | undefined
  #isOver = false

  constructor (ports: BlockedReportPorts) {
    this.#ports = ports
  }

  /** The process is being ended, which says the rest. */
  stop (): void {
    this.#isOver = true
  }

  /** The event loop has not turned for so many milliseconds. */
  async begin (age: number): Promise<void> {
    const record: BlockedRecord = this.#current = { duration: age, at: Date.now(), blockedIn: undefined }
    const pause = await this.#pause()
    if (this.#isOver) return
    const stack = pause?.stack
    pause?.release()
    const hang = this.hang(age, stack)
    this.#blame(record, stack?.[0])
    const text = `the event loop has not turned for ${Math.round(age)} ms, ${heldBy(hang)}`
    void writeError(logLine(50, { event: 'graceful.blocked', ...hangFields(hang) }, text))
    // It may be over by now.
    if (pause === undefined && this.#current === record) this.#awaitReturn(record)
  }

  /** It turns again after so many milliseconds. */
  end (duration: number): void {
    if (this.#isOver) return
    const record = this.#current
    this.#ports.mainThread.disconnect()
    this.#current = undefined
    this.#ports.heartbeat.blockedIn = undefined
    if (record !== undefined) this.#ports.unblocked({ ...record, duration: Math.round(duration) })
  }

  /** What is known of a main thread that hangs. */
  hang (silence: number, stack: Frame[] | undefined): Hang {
    return { silence, stack, inspect: this.#ports.inspect, state: mainThreadState() }
  }

  /** Native code gives no pause before it returns; what called it is known then. */
  #awaitReturn (record: BlockedRecord): void {
    const { mainThread, heartbeat } = this.#ports
    // Left connected, an exit would wait for us.
    if (heartbeat.debuggable) return mainThread.disconnect()
    void mainThread.pending?.then((pause) => {
      if (pause === undefined || this.#isOver) return
      this.#blame(record, pause.stack[0])
      pause.release()
    })
  }

  #blame (record: BlockedRecord, frame: Frame | undefined): void {
    record.blockedIn = frame && frameText(frame)
    if (this.#current === record) this.#ports.heartbeat.blockedIn = record.blockedIn
  }

  async #pause (): Promise<Pause | undefined> {
    if (!this.#ports.inspect) return undefined
    return this.#ports.mainThread.pause(pauseTimeout).catch(() => undefined)
  }
}

/** What is known of a main thread that hangs. */
export interface Hang {
  /** How long its event loop has not turned, in milliseconds. */
  silence: number
  /** Its frames; undefined where it could not be paused. */
  stack: readonly Frame[] | undefined
  /** Whether the inspector may be used at all. */
  inspect: boolean
  state: ThreadState
}

/** What holds the event loop, in words. */
export function heldBy ({ stack, inspect, state }: Hang): string {
  if (stack !== undefined) return stack[0] === undefined ? "inside Node's own code" : `in ${frameText(stack[0])}`
  if (!inspect) return 'at a place that cannot be named without the inspector'
  if (isNative(state)) return 'inside native code, waiting for the kernel: its JavaScript stack cannot be read'
  const doing = state.computes === undefined ? '' : state.computes ? ', computing' : ', waiting'
  return `at an unknown place${doing}: it could not be paused in time, as in native code`
}

/** A call into the kernel can be told from outside; native code that computes looks like JavaScript slow to pause. */
function isNative ({ computes, waits }: ThreadState): boolean {
  return computes === false && !waits
}

/** The fields that tell of a hang, in a line as in the termination message. */
export function hangFields ({ silence, stack, inspect, state }: Hang): HangFields {
  const [first] = stack ?? []
  return {
    silence: Math.round(silence),
    ...(stack === undefined && inspect && isNative(state) && { native: true }),
    ...(first !== undefined && { blockedIn: frameText(first) }),
    ...(stack !== undefined && { stack: stack.map(frameText) })
  }
}

type HangFields = Pick<TerminationRecord, 'silence' | 'native' | 'blockedIn' | 'stack'>

import { frameText, mainThreadState } from './inspect.ts'
import type { Frame, MainThread, Pause } from './inspect.ts'
import { hangFields, heldBy } from './postmortem.ts'
import type { Hang } from './postmortem.ts'
import { logLine, writeError } from '../../process/stderr.ts'
import type { BlockedRecord } from '../protocol.ts'
import type { Heartbeat } from '../heartbeat.ts'

/** How long a pause is waited for before the block is reported without a stack, in milliseconds. */
const pauseTimeout = 350

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

import { accessSync, constants, statSync } from 'node:fs'
import { epochNow } from '../clock.ts'
import type { Phase } from '../lifecycle/phase.ts'
import { afterUnref } from '../util/timers.ts'
import { clip } from '../util/text.ts'
import { EndFile, takeUnfinished, wasRestarted } from './end-file.ts'
import type { EndRecord } from './end-file.ts'
import { readTerminationMessage, writeTerminationMessage } from './kubernetes/message.ts'
import type { Surroundings } from './surroundings.ts'

/** The facts of an end that are kept for the next process. */
export interface EndFacts { reason: string, phase: Phase, gracePeriod: number, preStop: number }

interface Log {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
}

/** How often a sign of life is left, in milliseconds. */
const interval = 500
/** Ends that are told of. */
const mostTold = 20
/** What is over so shortly before its deadline was not killed early, in milliseconds. */
const margin = 2000

/**
 * What a process leaves in `GRACEFUL_STATE_DIRECTORY` while its end is under way, so that whoever starts next can say
 * that it was killed. A process that ends by itself, however, takes it away. All applications of a process share it.
 */
export class UnfinishedEnd {
  static readonly #all = new Map<string, UnfinishedEnd>()
  readonly #directory: string
  #file: EndFile | undefined
  #facts: EndFacts | undefined
  #startedAt = 0
  #failed = false
  #looked = false

  constructor (directory: string) {
    this.#directory = directory
  }

  /** The one of a directory: a process has one for each. */
  static at (directory: string): UnfinishedEnd {
    let end = this.#all.get(directory)
    if (end === undefined) this.#all.set(directory, end = new UnfinishedEnd(directory))
    return end
  }

  /** The end is under way, or in another phase. Whatever fails stops nothing. */
  note (facts: EndFacts): void {
    if (this.#failed) return
    this.#facts = facts
    try {
      if (this.#file === undefined) {
        this.#startedAt = epochNow()
        this.#file = new EndFile(this.#directory)
        process.once('exit', this.#forget)
        this.#beat()
      } else this.#write()
    } catch {
      this.#failed = true
    }
  }

  /** Says of ends that nobody has finished, and of a directory that cannot be used: once. */
  look (log: Log, surroundings: Surroundings): void {
    if (this.#looked) return
    this.#looked = true
    try {
      if (!statSync(this.#directory).isDirectory()) throw new Error(`${this.#directory} is no directory`)
      accessSync(this.#directory, constants.R_OK | constants.W_OK | constants.X_OK)
      this.#take(log, surroundings)
    } catch (error) {
      log.warn(
        { event: 'graceful.state', path: this.#directory, err: error },
        `GRACEFUL_STATE_DIRECTORY cannot be used, so a kill of this process will not be reported: ${String(error)}`
      )
    }
  }

  #take (log: Log, surroundings: Surroundings): void {
    const now = epochNow()
    const { ends, again } = takeUnfinished(this.#directory, now)
    for (const end of ends.slice(0, mostTold)) sayOf(log, end, surroundings)
    if (again === undefined) return
    afterUnref(again - now + interval, () => {
      try {
        this.#take(log, surroundings)
      } catch {
        // The directory is gone, and with it what was in it.
      }
    })
  }

  readonly #forget = (): void => {
    try {
      this.#file?.remove()
    } catch {
      // It is gone already.
    }
    this.#file = undefined
  }

  #beat (): void {
    if (this.#file === undefined || this.#failed) return
    this.#write()
    afterUnref(interval, () => {
      try {
        this.#beat()
      } catch {
        this.#failed = true
      }
    })
  }

  #write (): void {
    if (this.#facts === undefined) return
    const { reason, phase, gracePeriod, preStop } = this.#facts
    const until = this.#startedAt + gracePeriod - preStop
    this.#file?.write({ reason, phase, startedAt: this.#startedAt, until, seen: epochNow() })
  }
}

/** The termination message of a container whose file outlives it: one that is not final says the same. */
function lookAtTerminationMessage (path: string, log: Log, surroundings: Surroundings): void {
  try {
    const { final, pid = 0, phase, reason = '', startedAt = '', time = '', gracePeriod, preStop = 0 } =
      readTerminationMessage(path) ?? {}
    const [begun, seen] = [Date.parse(startedAt), Date.parse(time)]
    if (final !== false || phase === undefined || gracePeriod === undefined || !(seen >= begun)) return
    // A process of this number that is there may be the one that wrote it.
    if (pid !== process.pid && isThere(pid)) return
    writeTerminationMessage(path, '')
    sayOf(log, { pid, phase, reason, startedAt: begun, until: begun + gracePeriod - preStop, seen }, surroundings)
  } catch {
    // There is nothing to say.
  }
}

function isThere (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

type Told = Pick<EndRecord, 'pid' | 'phase' | 'reason' | 'startedAt' | 'until' | 'seen'> & Partial<EndRecord>

function sayOf (log: Log, end: Told, { killer }: Surroundings): void {
  const { pid, phase, startedAt, until, seen, host, boot } = end
  const [elapsed, planned] = [seen - startedAt, until - startedAt]
  const reason = clip(end.reason)
  const restarted = host !== undefined && boot !== undefined && wasRestarted(end as EndRecord)
  const isEarly = elapsed < planned - margin
  const set = killer === undefined ? '' : ` (${killer.title}: ${killer.set.replaceAll('`', '')})`
  const advice = restarted
    ? 'the machine was started anew since'
    : isEarly
      ? `who kills gives less than that: set gracePeriod (TERMINATION_GRACE_PERIOD_SECONDS) to what it is${set}`
      : 'it had used its time up'
  log[restarted ? 'info' : 'warn'](
    { event: 'graceful.predecessor', childPid: pid, phase, reason, elapsed, planned, restarted },
    `process ${pid} of this service did not come to its end by ${reason}: its last sign, in phase '${phase}', came `
      + `${seconds(elapsed)} after that, and ${seconds(planned)} were planned; ${advice}`
  )
}

const seconds = (milliseconds: number): string => `${Math.round(milliseconds / 100) / 10} s`

/** The settings of an application, or of a supervisor, by which an end before this process is looked for. */
export interface LookSettings {
  stateDirectory: string | undefined
  terminationMessagePath: string | undefined
  surroundings: Surroundings
}

/** Says of a process before this one that was killed in its end, wherever it could leave that. */
export function lookForUnfinished (settings: LookSettings, log: Log): void {
  const { stateDirectory, terminationMessagePath, surroundings } = settings
  if (stateDirectory !== undefined) UnfinishedEnd.at(stateDirectory).look(log, surroundings)
  if (terminationMessagePath !== undefined) lookAtTerminationMessage(terminationMessagePath, log, surroundings)
}

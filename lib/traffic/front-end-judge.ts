import type { FrontEnd } from '../lifecycle/report.ts'
import type { Caller } from './callers.ts'
import { longestInterval, meanInterval, rhythmOf } from './intervals.ts'
import { isTool, roleOf } from './probers.ts'

/** Time between the first and the last question of one that has asked for long, in milliseconds. */
const establishedAfter = 5000
/** Questions that a person's or a program's tool must have asked steadily. */
const enoughOfTool = 3

/** A prober that goes by what it is told. */
export interface Watched {
  caller: Caller
  /** Undefined where it has asked once. */
  interval: number | undefined
  /** It has asked for long. */
  isEstablished: boolean
  /** Several probers that cannot be told apart: the time in which the slowest has got its answers counts, too. */
  isSeveral: boolean
  outcome: FrontEnd['outcome']
  /** When the answer that was needed last has gone out. */
  toldAt: number
  /** When it has asked last, moved on by the time in which this process did not listen. */
  lastSeen: number
}

/** Whether a caller may be a front end, by how it asks. */
export class FrontEndJudge {
  readonly #sharedBy: number
  readonly #listenedFor: () => number

  /**
   * @param sharedBy processes that share the listener
   * @param listenedFor milliseconds for which this one has listened, until the announcement
   */
  constructor (sharedBy: number, listenedFor: () => number) {
    this.#sharedBy = sharedBy
    this.#listenedFor = listenedFor
  }

  /** One that may be a front end, where it had asked before `at` and is not silent for longer than it would be. */
  judge (caller: Caller, at: number, mostSilence?: number): Watched | undefined {
    if (roleOf(caller.userAgent) === 'monitor') return undefined
    const times = caller.times.filter((time) => time < at)
    const lastSeen = times.at(-1)
    const rhythm = lastSeen === undefined ? undefined : this.#rhythmOf(caller, times)
    if (lastSeen === undefined || rhythm === undefined) return undefined
    const hasAskedSince = caller.times.at(-1)! >= at
    const most = hasAskedSince ? youth : mostSilence ?? this.patienceOf(caller, rhythm.interval)
    if (at - lastSeen > most) return undefined
    return { caller, ...rhythm, isEstablished: hasAskedLong(times), outcome: 'pending', toldAt: 0, lastSeen }
  }

  /** How long one that does not ask any more is waited for, in milliseconds. */
  patienceOf ({ times, userAgent, failing }: Caller, interval: number | undefined): number {
    return patience({
      times, interval, listenedFor: this.#listenedFor(), isVisitor: isTool(userAgent), isTold: failing > 0
    })
  }

  /** How often a caller asks, where it may be a front end. */
  #rhythmOf (caller: Caller, times: readonly number[]): Pick<Watched, 'interval' | 'isSeveral'> | undefined {
    const { userAgent, keepsConnections } = caller
    if (this.sharersOf(caller) > 1) {
      const interval = meanInterval(times)
      return interval !== undefined && interval > longestInterval * this.#sharedBy
        ? undefined
        : { interval, isSeveral: false }
    }
    const rhythm = rhythmOf(times)
    if (rhythm === undefined) return isTool(userAgent) ? undefined : { interval: undefined, isSeveral: false }
    if (rhythm.interval > longestInterval) return undefined
    if (!rhythm.isSteady && keepsConnections && !isTooEarly(rhythm.interval, this.#listenedFor())) return undefined
    if (isTool(userAgent) && (!rhythm.isSteady || times.length < enoughOfTool)) return undefined
    return rhythm
  }

  /** Among how many processes the questions of a caller are spread. */
  sharersOf ({ isElsewhere }: Caller): number {
    return isElsewhere === true ? 1 : this.#sharedBy
  }
}

function hasAskedLong (times: readonly number[]): boolean {
  return (times.at(-1) ?? 0) - (times[0] ?? 0) >= establishedAfter
}

/** Intervals without a question after which a prober has stopped. */
const patientFor = 3
/** What they are at least, in milliseconds: its machine, or this one, may be busy for a moment. */
const shortestPatience = 2000
/** But never more than so many intervals: one that asks very often, as until a service is ready, has soon stopped. */
const mostIntervals = 20
/** Who asks more often waits until the service is ready, in milliseconds. */
export const shortestInterval = 250
/** Time in which the slowest front end has asked three times, in milliseconds: a process is young until then. */
const youth: number = 3 * longestInterval

/** What is known of a prober that is silent. */
interface Silent {
  /** When it has asked, in order. */
  times: readonly number[]
  /** How often it asks, in milliseconds; undefined where it has asked once. */
  interval: number | undefined
  /** For how long the process has listened, in milliseconds. */
  listenedFor: number
  /** A person's or a program's tool, which looks and leaves. */
  isVisitor: boolean
  /** It was served a failing answer, and so has a reason not to ask again. */
  isTold: boolean
}

/**
 * For how long a prober may be silent before it has stopped, in milliseconds.
 *
 * One that has asked once may ask again within the longest interval that a front end has. In a young process one that
 * has asked several times may be late, or two behind one address that have asked once or twice each: the interval that
 * was seen is none yet.
 */
function patience ({ times, interval, listenedFor, isVisitor, isTold }: Silent): number {
  if (interval === undefined) return longestInterval
  if (isVisitor || !isTooEarly(interval, listenedFor)) return usual(interval)
  return isTold ? usual(longestGap(times)) : Math.max(longestInterval, usual(interval))
}

/** Whether it is too early to know how often somebody asks that asks every `interval` milliseconds so far. */
function isTooEarly (interval: number, listenedFor: number): boolean {
  return listenedFor < youth && interval >= shortestInterval
}

function usual (interval: number): number {
  return Math.max(patientFor * interval, Math.min(shortestPatience, mostIntervals * interval))
}

function longestGap (times: readonly number[]): number {
  return Math.max(...times.map((time, index) => time - (times[index - 1] ?? time)))
}

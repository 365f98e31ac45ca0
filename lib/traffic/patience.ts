import { longestInterval } from './intervals.ts'

/** Intervals without a question after which a prober has stopped. */
const patientFor = 3
/** What they are at least, in milliseconds: its machine, or this one, may be busy for a moment. */
const shortestPatience = 2000
/** But never more than so many intervals: one that asks very often, as until a service is ready, has soon stopped. */
const mostIntervals = 20
/** Who asks more often waits until the service is ready, in milliseconds. */
export const shortestInterval = 250
/** Time in which the slowest front end has asked three times, in milliseconds: a process is young until then. */
export const youth: number = 3 * longestInterval

/** What is known of a prober that is silent. */
export interface Silent {
  /** When it has asked, in order. */
  times: readonly number[]
  /** How often it asks, in milliseconds; undefined where it has asked once. */
  interval: number | undefined
  /** For how long the process has listened, in milliseconds. */
  listenedFor: number
  /** A person's or a program's tool, which looks and leaves. */
  isTool: boolean
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
export function patienceOf ({ times, interval, listenedFor, isTool, isTold }: Silent): number {
  if (interval === undefined) return longestInterval
  if (isTool || !isTooEarly(interval, listenedFor)) return usual(interval)
  return isTold ? usual(longestGap(times)) : Math.max(longestInterval, usual(interval))
}

/** Whether it is too early to know how often somebody asks that asks every `interval` milliseconds so far. */
export function isTooEarly (interval: number, listenedFor: number): boolean {
  return listenedFor < youth && interval >= shortestInterval
}

function usual (interval: number): number {
  return Math.max(patientFor * interval, Math.min(shortestPatience, mostIntervals * interval))
}

function longestGap (times: readonly number[]): number {
  return Math.max(...times.map((time, index) => time - (times[index - 1] ?? time)))
}

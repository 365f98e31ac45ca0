import type { FrontEnd } from '../lifecycle/report.ts'
import { Callers } from './callers.ts'
import type { Caller, CallerIdentity } from './callers.ts'
import { longestInterval, meanInterval, rhythmOf } from './intervals.ts'
import { isTool, proberOf, roleOf } from './probers.ts'

/** Intervals without a question after which a prober is taken for one that has stopped. */
const patientFor = 3
/** What they are at least, in milliseconds: the machine of one that has asked for long may be busy for a moment. */
const shortestPatience = { established: 2000, other: 500 } as const
/** Time between the first and the last question of one that has asked for long, in milliseconds. */
const establishedAfter = 5000
/** Longest time between two looks, in milliseconds, in which this process has listened. */
const attentive = 150
/** Questions that a person's or a program's tool must have asked steadily. */
const enoughOfTool = 3
/** Front ends that are named. */
const named = 20

/** How front ends are found and waited for. */
export interface FrontEndOptions {
  now: () => number
  /** Failing answers that each has to be served; 0: nobody is waited for. */
  failures: number
  /** Processes that share the listener, so that each sees a part of the questions. Default: 1. */
  sharedBy?: number
}

/** A prober that goes by what it is told. */
interface Watched {
  caller: Caller
  /** Undefined where it has asked once. */
  interval: number | undefined
  /** It has asked for long. */
  isEstablished: boolean
  /** When it is taken for one that has stopped, without a question for so long. */
  patience: number
  /** Several probers that cannot be told apart: the time in which the slowest has got its answers counts, too. */
  isSeveral: boolean
  outcome: FrontEnd['outcome']
  /** When the answer that was needed last has gone out. */
  toldAt: number
  /** When it has asked last, moved on by the time in which this process did not listen. */
  lastSeen: number
}

/**
 * Who is in front, by what is asked: whoever asks for readiness again and again goes by the answer. Phase 1 lasts until each of
 * them has been served enough failing answers.
 */
export class FrontEnds {
  readonly #now: () => number
  readonly #failures: number
  readonly #sharedBy: number
  readonly #callers = new Callers()
  #watched: Watched[] = []
  #announcedAt: number | undefined
  #toldAt = 0
  #lookedAt = 0

  constructor ({ now, failures, sharedBy = 1 }: FrontEndOptions) {
    this.#now = now
    this.#sharedBy = sharedBy
    this.#failures = Math.ceil(failures / sharedBy)
  }

  /** A readiness route was asked. The kubelet goes by endpoints, and is no front end. */
  asked (identity: CallerIdentity, isReused: boolean, first: number = this.#now(), last: number = first, count: number = 1): Caller | undefined {
    if (roleOf(identity.userAgent) === 'kubelet') return undefined
    const caller = this.#callers.note(identity, isReused, first, last, count)
    // One that is heard of late, or turns out to ask from changing addresses.
    if (this.#announcedAt !== undefined && first < this.#announcedAt) this.#watch()
    return caller
  }

  /** An answer has gone out. */
  answered (caller: Caller, isFailing: boolean, first: number = this.#now(), last: number = first, count: number = 1): void {
    if (this.#announcedAt === undefined || last < this.#announcedAt) return
    if (!isFailing) {
      if (first >= this.#toldAt) caller.good += count
      return
    }
    caller.failing += count
    caller.first ??= Math.max(first, this.#announcedAt)
    caller.last = last
  }

  /** Phase 1 has begun; health routes begin to fail `toldAfter` milliseconds later. */
  announce (toldAfter: number): void {
    this.#announcedAt = this.#lookedAt = this.#now()
    this.#toldAt = this.#announcedAt + toldAfter
    this.#callers.forgetAnswers()
    this.#watched = []
    this.#watch()
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#announcedAt = undefined
    this.#watched = []
  }

  /** Whether anybody is in front, as far as is known by now: not one that learns nothing, nor one that has just looked once or twice. */
  get found (): boolean {
    return this.#failures > 0 && this.#watched.some(({ outcome, isEstablished, caller }) => {
      return outcome === 'pending' || outcome === 'told' || (outcome === 'stopped' && (isEstablished || caller.failing > 0))
    })
  }

  /**
   * Why phase 1 has to go on for the front ends' sake; undefined where it has not.
   *
   * @param quiet how long after the last answer that was needed, in milliseconds, since who has read it still has to act on it
   */
  waiting (quiet: number): string | undefined {
    if (this.#failures === 0) return undefined
    const now = this.#now()
    this.#catchUp(now)
    let settled = -Infinity
    for (const watched of this.#watched) {
      const reason = this.#pending(watched, now)
      if (reason !== undefined) return reason
      if (watched.outcome === 'told') settled = Math.max(settled, watched.toldAt)
    }
    return now - settled < quiet ? `the front end was told ${Math.round(now - settled)} ms ago` : undefined
  }

  /** Who is in front: while running by what was asked so far, afterwards who was when phase 1 began. */
  summary (): FrontEnd[] {
    const found = this.#announcedAt === undefined ? this.#find() : this.#watched
    return found.slice(0, named).map(({ caller, interval, outcome }) => this.#describe(caller, interval, outcome))
  }

  #describe (caller: Caller, interval: number | undefined, outcome: FrontEnd['outcome']): FrontEnd {
    const { path, method, userAgent, address, failing: answers, first, last } = caller
    const after = (time: number | undefined): number | undefined => time === undefined || this.#announcedAt === undefined ? undefined : Math.round(time - this.#announcedAt)
    return { prober: proberOf(userAgent) ?? 'other', route: `${method} ${path}`, userAgent, address, interval: interval && Math.round(interval), answers, first: after(first), last: after(last), outcome }
  }

  #watch (): void {
    for (const found of this.#find()) if (!this.#watched.some(({ caller }) => caller === found.caller)) this.#watched.push(found)
  }

  /** Those that have asked within three of their own intervals. */
  #find (): Watched[] {
    const at = this.#announcedAt ?? this.#now()
    const found: Watched[] = []
    for (const caller of [...this.#callers.steady, ...this.#callers.newcomers()]) {
      if (roleOf(caller.userAgent) === 'monitor') continue
      const times = caller.times.filter((time) => time < at)
      const lastSeen = times.at(-1)
      const rhythm = lastSeen === undefined ? undefined : this.#rhythmOf(caller, times)
      const patience = patienceOf(times, rhythm?.interval)
      if (lastSeen === undefined || rhythm === undefined || at - lastSeen > patience) continue
      found.push({ caller, ...rhythm, isEstablished: hasAskedLong(times), patience, outcome: 'pending', toldAt: 0, lastSeen })
    }
    return found
  }

  /** How often a caller asks, where it may be a front end. */
  #rhythmOf ({ userAgent, keepsConnections }: Caller, times: readonly number[]): Pick<Watched, 'interval' | 'isSeveral'> | undefined {
    if (this.#sharedBy > 1) {
      const interval = meanInterval(times)
      return interval !== undefined && interval > longestInterval * this.#sharedBy ? undefined : { interval, isSeveral: false }
    }
    const rhythm = rhythmOf(times)
    if (rhythm === undefined) return isTool(userAgent) ? undefined : { interval: undefined, isSeveral: false }
    if (rhythm.interval > longestInterval) return undefined
    if (!rhythm.isSteady && keepsConnections) return undefined
    if (isTool(userAgent) && (!rhythm.isSteady || times.length < enoughOfTool)) return undefined
    return rhythm
  }

  /** Why a prober is waited for; undefined where it no longer is. */
  #pending (watched: Watched, now: number): string | undefined {
    if (watched.outcome !== 'pending') return undefined
    const { caller, isSeveral } = watched
    const asked = caller.times.at(-1) ?? 0
    if (asked > watched.lastSeen) {
      if (watched.interval === undefined) {
        watched.interval = asked - watched.lastSeen
        watched.patience = patienceOf(caller.times, watched.interval)
      }
      watched.lastSeen = asked
    }
    const { interval } = watched
    const needed = isSeveral ? this.#toldAt + this.#failures * (interval ?? 0) : 0
    if (caller.failing >= this.#failures && now >= needed) Object.assign(watched, { outcome: 'told', toldAt: caller.last })
    // Its route answers as before: there is nothing that it could learn.
    else if (caller.good > 0 && caller.failing === 0) watched.outcome = 'unaffected'
    else if (now - watched.lastSeen > watched.patience) watched.outcome = 'stopped'
    if (watched.outcome !== 'pending') return undefined
    const every = interval === undefined ? 'asked once' : `every ${Math.round(interval)} ms`
    return `${nameOf(caller)} (${every}) was served ${caller.failing} of ${this.#failures} failing answers`
  }

  /** A process that stood still has not listened: who asked meanwhile is still in the kernel's queue. */
  #catchUp (now: number): void {
    const missed = Math.max(0, now - this.#lookedAt - attentive)
    this.#lookedAt = now
    if (missed > 0) for (const watched of this.#watched) watched.lastSeen += missed
  }
}

/** One that has asked once may ask again within the longest interval that a front end has. */
function patienceOf (times: readonly number[], interval: number = longestInterval / patientFor): number {
  return Math.max(patientFor * interval, hasAskedLong(times) ? shortestPatience.established : shortestPatience.other)
}

function hasAskedLong (times: readonly number[]): boolean {
  return (times.at(-1) ?? 0) - (times[0] ?? 0) >= establishedAfter
}

function nameOf ({ userAgent, method, path, address }: Caller): string {
  return `${proberOf(userAgent) ?? 'a prober'} at ${address ?? 'no one address'}, ${method} ${path}`
}

import type { FrontEnd } from '../lifecycle/report.ts'
import { counted } from '../util/text.ts'
import { Callers } from './callers.ts'
import type { Caller, CallerIdentity } from './callers.ts'
import { FrontEndJudge, shortestInterval } from './front-end-judge.ts'
import type { Watched } from './front-end-judge.ts'
import { longestInterval } from './intervals.ts'
import { isTool, proberOf, roleOf } from './probers.ts'

/** What has come before the announcement is read within this time, in milliseconds. */
const readWithin = 100
/** Longest time between two looks, in milliseconds, in which this process has listened. */
const attentive = 150
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

/**
 * Who is in front, by what is asked: whoever asks for readiness again and again goes by the answer.
 * Phase 1 lasts until each of them has been served enough failing answers.
 */
export class FrontEnds {
  readonly #now: () => number
  readonly #failures: number
  readonly #judge: FrontEndJudge
  readonly #callers = new Callers()
  #watched: Watched[] = []
  #openedAt: number | undefined
  #announcedAt: number | undefined
  /** Somebody was silent before the announcement; until then a question of theirs that came before may be read. */
  #isOpenUntil = 0
  #toldAt = 0
  #lookedAt = 0

  constructor ({ now, failures, sharedBy = 1 }: FrontEndOptions) {
    this.#now = now
    this.#failures = failures
    this.#judge = new FrontEndJudge(sharedBy, () => this.#listenedFor)
  }

  /** The listener is open. */
  open (): void {
    this.#openedAt ??= this.#now()
  }

  /** A readiness route was asked. The kubelet goes by endpoints, and is no front end. */
  asked (
    identity: CallerIdentity, isReused: boolean, first: number = this.#now(), last: number = first, count: number = 1
  ): Caller | undefined {
    if (roleOf(identity.userAgent) === 'kubelet') return undefined
    const caller = this.#callers.note(identity, isReused, first, last, count)
    if (this.#announcedAt === undefined) return caller
    // One that is heard of late, or turns out to ask from changing addresses; or one that was silent and has not gone.
    if (first < this.#announcedAt) this.#watch(this.#find())
    else this.#watch([this.#judge.judge(caller, this.#announcedAt)])
    return caller
  }

  /** An answer has gone out. */
  answered (
    caller: Caller, isFailing: boolean, first: number = this.#now(), last: number = first, count: number = 1
  ): void {
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
    this.#watch(this.#find())
    this.#isOpenUntil = this.#announcedAt + (this.#hasOneStopped(this.#announcedAt) ? readWithin : 0)
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#announcedAt = undefined
    this.#watched = []
  }

  /** Whether anybody is in front, as far as is known: not one that learns nothing, or has only looked once or twice. */
  get found (): boolean {
    return this.#failures > 0 && this.#watched.some(({ outcome, isEstablished, caller }) => {
      return outcome === 'pending' || outcome === 'told'
        || (outcome === 'stopped' && (isEstablished || caller.failing > 0))
    })
  }

  /** Whether phase 1 waits for a front end at this address, or has waited for it. */
  isWaitedFor (address: string | undefined): boolean {
    return this.#failures > 0 && address !== undefined && this.#watched.some(({ outcome, caller }) =>
      caller.address === address && (outcome === 'pending' || outcome === 'told'))
  }

  /**
   * Why phase 1 has to go on for the front ends' sake; undefined where it has not.
   *
   * @param quiet milliseconds in which whoever has read the last answer that was needed acts on it
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
    if (now < this.#isOpenUntil) return 'a prober has not asked for some time; it may have come before the announcement'
    return now - settled < quiet ? `the front end was told ${Math.round(now - settled)} ms ago` : undefined
  }

  /** Who is in front: while running by what was asked so far, afterwards who was when phase 1 began. */
  summary (): FrontEnd[] {
    const found = this.#announcedAt === undefined ? this.#find() : this.#watched
    return found.slice(0, named).map(({ caller, interval, outcome }) => this.#describe(caller, interval, outcome))
  }

  #describe (caller: Caller, interval: number | undefined, outcome: FrontEnd['outcome']): FrontEnd {
    const { path, method, userAgent, address, failing: answers, first, last } = caller
    const after = (time: number | undefined): number | undefined =>
      time === undefined || this.#announcedAt === undefined ? undefined : Math.round(time - this.#announcedAt)
    return {
      prober: proberOf(userAgent) ?? 'other', route: `${method} ${path}`, userAgent, address,
      interval: interval && Math.round(interval), answers, first: after(first), last: after(last), outcome
    }
  }

  #watch (found: ReadonlyArray<Watched | undefined>): void {
    for (const one of found) if (one !== undefined && !this.#isWatched(one.caller)) this.#watched.push(one)
  }

  #isWatched (caller: Caller): boolean {
    return this.#watched.some((watched) => watched.caller === caller)
  }

  * #candidates (): Generator<Caller> {
    yield * this.#callers.steady
    yield * this.#callers.newcomers()
  }

  #find (): Watched[] {
    const at = this.#announcedAt ?? this.#now()
    return [...this.#candidates()].flatMap((caller) => this.#judge.judge(caller, at) ?? [])
  }

  /** Whether one has stopped lately, unless a process that stood still has not read yet what it has asked. */
  #hasOneStopped (at: number): boolean {
    return [...this.#candidates()].some((caller) => {
      if (isTool(caller.userAgent) || this.#isWatched(caller)) return false
      const interval = this.#judge.judge(caller, at, longestInterval)?.interval
      return interval !== undefined && interval >= shortestInterval
    })
  }

  /** Until the announcement, in milliseconds. */
  get #listenedFor (): number {
    return (this.#announcedAt ?? this.#now()) - (this.#openedAt ?? -Infinity)
  }

  /** Why a prober is waited for; undefined where it no longer is. */
  #pending (watched: Watched, now: number): string | undefined {
    if (watched.outcome !== 'pending') return undefined
    const { caller, isSeveral } = watched
    const asked = caller.times.at(-1) ?? 0
    if (asked > watched.lastSeen) {
      watched.interval ??= asked - watched.lastSeen
      watched.lastSeen = asked
    }
    const { interval } = watched
    const failures = Math.ceil(this.#failures / this.#judge.sharersOf(caller))
    const needed = isSeveral ? this.#toldAt + failures * (interval ?? 0) : 0
    if (caller.failing >= failures && now >= needed) Object.assign(watched, { outcome: 'told', toldAt: caller.last })
    // Its route answers as before: there is nothing that it could learn.
    else if (caller.good > 0 && caller.failing === 0) watched.outcome = 'unaffected'
    else if (now - watched.lastSeen > this.#judge.patienceOf(caller, interval)) watched.outcome = 'stopped'
    return watched.outcome === 'pending' ? reasonOf(caller, { interval, failures, left: needed - now }) : undefined
  }

  /** A process that stood still has not listened: who asked meanwhile is still in the kernel's queue. */
  #catchUp (now: number): void {
    const missed = Math.max(0, now - this.#lookedAt - attentive)
    this.#lookedAt = now
    if (missed === 0) return
    this.#isOpenUntil += missed
    for (const watched of this.#watched) watched.lastSeen += missed
  }
}

/** What a prober is waited for with. Times are milliseconds. */
interface Wait {
  /** Between two of its questions; undefined where it has asked once. */
  interval: number | undefined
  /** Failing answers that it needs. */
  failures: number
  /** Until the slowest of several has had them. */
  left: number
}

/** Why phase 1 waits for a prober, or for several that cannot be told apart. */
function reasonOf (caller: Caller, { interval, failures, left }: Wait): string {
  const { userAgent, method, path, address, failing } = caller
  const name = `${proberOf(userAgent) ?? 'a prober'} at ${address ?? 'no fixed address'}, ${method} ${path}`
  const every = interval === undefined ? 'asked once' : `every ${Math.round(interval)} ms`
  if (failing < failures) return `${name} (${every}) was served ${failing} of ${failures} failing answers`
  const answers = counted(failures, 'failing answer')
  const slowest = `the slowest of them (${every}) has its ${answers} in ${Math.round(left)} ms`
  return `${name} stands for several probers: ${slowest}`
}

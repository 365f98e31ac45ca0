import type { TrafficSummary, LateSource } from '../lifecycle/report.ts'

/** Length of one bucket of the running count, in milliseconds. */
const bucketLength = 5000
/** Buckets kept: one minute. */
const bucketCount = 12
/** Arrivals that must have failed to come: a chance of e^-7, 1 in 1000, that silence was luck. */
const enough = 7
/** Share of shed connections that come back here while the balancer still sends, as if we were one of ten replicas. */
const shedWeight = 0.1

/** Longest time between two looks, in milliseconds, that counts as listening. */
const attentive = 150

/** The times of phase 1 that decide; see `Budget`. */
export interface EvidenceBudget { quiet: number, blind: number }

/** Told of a connection that came late. */
export type OnLate = (arrival: { address: string | undefined, after: number }) => void

/**
 * New connections of traffic, counted from the first request of each, and what their absence means.
 *
 * Silence means something only where traffic was expected. What was expected is the quietest five
 * seconds of the minute before the announcement: a burst (a start, a neighbour's restart) must not
 * make the silence after it look like evidence.
 */
export class Arrivals {
  readonly #now: () => number
  readonly #needed: number
  readonly #buckets: number[] = Array.from({ length: bucketCount }, () => 0)
  #bucket = -1
  #firstBucket: number | undefined
  #announcedAt: number | undefined
  #rate = 0
  #last: number | undefined
  #count = 0
  #shed = 0
  #shedSinceLast = 0
  /** The last intervals between arrivals of phase 1, as many as there must be to judge the silence after them. */
  readonly #intervals: number[] = []
  #observed = false
  /** When silence was last asked about, and how much of the silence this process has slept through. */
  #askedAt = 0
  #missed = 0
  readonly #late: LateArrivals
  #suggestion: { quiet: number, preStop: number } | undefined

  /** `onLate` is called with each late connection. `needed` arrivals must have failed to come before silence counts. */
  constructor (now: () => number, onLate?: OnLate, needed: number = enough) {
    this.#now = now
    this.#needed = needed
    this.#late = new LateArrivals(({ at, source }) =>
      onLate?.({ address: source, after: Math.round(at - (this.#announcedAt ?? at)) })
    )
  }

  /** The listener is open: from here on, no arrival means no traffic. */
  open (): void {
    this.#firstBucket ??= Math.floor(this.#now() / bucketLength)
  }

  /** A connection of traffic sent its first request; `source` is asked from phase 1 on, `isProber` when it is late. */
  arrive (source?: () => string | undefined, isProber?: () => boolean): void {
    const now = this.#now()
    this.#roll(now)
    this.#buckets[this.#bucket % bucketCount]!++
    if (this.#announcedAt === undefined) return
    this.#count++
    this.#late.arrive(now, source?.(), isProber)
    if (this.#last !== undefined) this.#intervals.push(now - this.#last - this.#missed)
    if (this.#intervals.length > this.#needed) this.#intervals.shift()
    this.#last = now
    this.#missed = 0
    this.#shedSinceLast = 0
  }

  /** A connection was told to reconnect elsewhere. */
  shed (): void {
    this.#shed++
    this.#shedSinceLast++
  }

  /** Phase 1 has begun. */
  announce (): void {
    const now = this.#now()
    this.#rate = this.rate()
    this.#announcedAt = now
    this.#count = this.#shed = this.#shedSinceLast = 0
    this.#last = undefined
    this.#intervals.length = 0
    this.#missed = 0
    this.#askedAt = now
    this.#observed = false
    this.#late.announce()
  }

  /** Phase 1 was undone. */
  undo (): void { this.#announcedAt = undefined }

  /** New connections per second in the quietest five seconds of the last minute; 0 until ten seconds have been seen. */
  rate (): number {
    const now = this.#now()
    this.#roll(now)
    if (this.#firstBucket === undefined) return 0
    // The first bucket and the current one are not whole.
    const from = Math.max(this.#firstBucket + 1, this.#bucket - bucketCount + 1)
    if (this.#bucket - from < 2) return 0
    let least = Infinity
    for (let index = from; index < this.#bucket; index++) least = Math.min(least, this.#buckets[index % bucketCount]!)
    return least * 1000 / bucketLength
  }

  /** Why phase 1 should go on, or undefined. `elapsed` is the time in phase 1. */
  stillSending (elapsed: number, { quiet, blind }: EvidenceBudget): string | undefined {
    const since = this.#last ?? this.#announcedAt
    if (since === undefined) return undefined
    // A process that stood still (a long turn, a throttled CPU) has not listened: whoever called
    // meanwhile is still in the kernel's queue.
    const now = this.#now()
    this.#missed += Math.max(0, now - Math.max(this.#askedAt, since) - attentive)
    this.#askedAt = now
    const silence = now - since - this.#missed
    const expected = this.#rate * silence / 1000 + shedWeight * this.#shedSinceLast
    const isSilent = silence >= Math.max(quiet, this.#neededSilence)
    this.#observed = isSilent && expected >= this.#needed
    if (this.#observed) return undefined
    const hadTraffic = this.#rate > 0 || this.#last !== undefined || this.#shed > 0
    // Where there never was traffic, there is nobody whose silence could be waited for.
    if (isSilent && silence >= (this.#rate > 0 ? blind : 0) && elapsed >= blind) return undefined
    if (!hadTraffic && elapsed >= blind) return undefined
    return this.#last === undefined
      ? `no new connection yet, ${Math.round(silence)} ms of silence mean nothing so far`
      : `the balancer still sends: last new connection ${Math.round(silence)} ms ago`
  }

  /** The listener has closed: who came just before it had company that was refused. */
  close (quiet: number, preStop = 0): void {
    this.#late.close(this.#now(), quiet)
    this.#suggestion ??= { quiet, preStop }
  }

  /** The probes are somebody else's to tell. */
  summary (): Omit<TrafficSummary, 'probes' | 'frontEnds'> {
    return {
      evidence: this.#observed ? 'observed' : 'absent',
      rateBefore: this.#announcedAt === undefined ? this.rate() : this.#rate,
      arrivals: this.#count,
      lastArrival: this.#last === undefined || this.#announcedAt === undefined
        ? undefined
        : Math.round(this.#last - this.#announcedAt),
      lateArrivals: this.#late.count,
      lateSources: this.#late.sources(),
      suggestedMin: this.#suggestedMin,
      shed: this.#shed
    }
  }

  /** In whole seconds: nobody knows it better. `announce.min` is given with the time that preStop takes off it. */
  get #suggestedMin (): number | undefined {
    if (
      this.#last === undefined || this.#announcedAt === undefined || this.#suggestion === undefined
      || this.#late.count === 0
    ) {
      return undefined
    }
    const { quiet, preStop } = this.#suggestion
    return Math.ceil((this.#last - this.#announcedAt + quiet + preStop) / 1000) * 1000
  }

  /**
   * Milliseconds that the last intervals of phase 1 took together, 0 where there were too few. What comes in phase 1
   * has a pace of its own: a young replica knows no other, and of many balancers some hear later than others.
   */
  get #neededSilence (): number {
    return this.#intervals.length < this.#needed ? 0 : this.#intervals.reduce((sum, interval) => sum + interval, 0)
  }

  #roll (now: number): void {
    const bucket = Math.floor(now / bucketLength)
    if (this.#bucket === -1) this.#bucket = bucket
    while (this.#bucket < bucket) {
      this.#bucket++
      // A long sleep skips whole rounds.
      if (bucket - this.#bucket >= bucketCount) this.#bucket = bucket - bucketCount + 1
      this.#buckets[this.#bucket % bucketCount] = 0
    }
  }
}

/** An arrival, and how to find out who it was. */
interface Arrival {
  at: number
  source: string | undefined
  /** Whether it turned out to be a prober's. Default: no. */
  isProber?: (() => boolean) | undefined
}

/** Times of phase 1 that are kept at most, and after a cut. */
const kept = { most: 20_000, least: 10_000 }
/** Sources that are named. */
const named = 5

/** Who came so late that others were surely refused: just before the listener closed, or first heard of after that. */
class LateArrivals {
  readonly #onLate: (arrival: Arrival) => void
  #recent: Arrival[] = []
  #closed = false

  /** @param onLate called with each of them, when that is known */
  constructor (onLate: (arrival: Arrival) => void = () => {}) {
    this.#onLate = onLate
  }

  /** Phase 1 has begun. */
  announce (): void {
    this.#recent = []
    this.#closed = false
  }

  arrive (at: number, source: string | undefined, isProber?: () => boolean): void {
    if (this.#closed && isProber?.() === true) return
    this.#recent.push({ at, source, isProber })
    if (this.#closed) this.#onLate({ at, source })
    else if (this.#recent.length > kept.most) this.#recent = this.#recent.slice(-kept.least)
  }

  /** The listener has closed: who came within `quiet` milliseconds before it was late. A prober has lost nothing. */
  close (now: number, quiet: number): void {
    if (this.#closed) return
    this.#closed = true
    this.#recent = this.#recent.filter(({ at, isProber }) => now - at < quiet && isProber?.() !== true)
    for (const arrival of this.#recent) this.#onLate(arrival)
  }

  get count (): number {
    return this.#closed ? this.#recent.length : 0
  }

  /** Where they came from, the busiest first. */
  sources (): LateSource[] {
    if (!this.#closed) return []
    const counts = new Map<string, number>()
    for (const { source = 'unknown' } of this.#recent) counts.set(source, (counts.get(source) ?? 0) + 1)
    return [...counts]
      .map(([address, count]) => ({ address, count }))
      .toSorted((a, b) => b.count - a.count)
      .slice(0, named)
  }
}

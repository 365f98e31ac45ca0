import type { Phase } from '../lifecycle/phase.ts'
import type { PhaseRecord } from '../lifecycle/report.ts'

/** Numbers by their labels, in the order they first came. */
export class Counts<Label extends string> {
  readonly #counts = new Map<string, { labels: Record<Label, string>, count: number }>()

  add (labels: Record<Label, string>, count: number = 1): void {
    const key = JSON.stringify(labels)
    const entry = this.#counts.get(key)
    if (entry === undefined) this.#counts.set(key, { labels, count })
    else entry.count += count
  }

  entries (): Array<{ labels: Record<Label, string>, count: number }> {
    return [...this.#counts.values()]
  }
}

/** Counts that the tally reads when a phase begins or ends. */
export interface TallySources {
  /** Requests that were followed and have come to their end; it only grows. */
  ended: () => number
  /** Connections that were told to reconnect elsewhere since the last announcement. */
  shed: () => number
}

/**
 * What neither a room nor the draft of the report knows when it is asked, added up from events. Nothing here is written
 * while a request is served.
 */
export class Tally {
  readonly probes: Counts<'prober' | 'probe' | 'result'> = new Counts()
  readonly #sources: TallySources
  /** Milliseconds in the phases that are over. */
  readonly #times = new Map<Phase, number>()
  /** Shed in what was undone, and where the count stood when the present one began; undefined while running. */
  #shedBefore = 0
  #shedFrom: number | undefined
  #endedBefore: number | undefined
  #drained: number | undefined
  #lost = 0

  constructor (sources: TallySources) {
    this.#sources = sources
  }

  /** A phase has begun. */
  phase (phase: Phase, { phase: previous, duration }: Pick<PhaseRecord, 'phase' | 'duration'>): void {
    this.#times.set(previous, this.#timeIn(previous) + duration)
    if (phase === 'running') {
      this.#shedBefore = this.shed
      this.#shedFrom = undefined
    } else if (previous === 'running') {
      // The announcement counts from zero; without one, what was undone is still there.
      this.#shedFrom = phase === 'announcing' ? 0 : this.#sources.shed()
    }
    if (phase === 'draining') this.#endedBefore = this.#sources.ended()
  }

  /** Phase 3 is over, and what is left is about to be cut: that is not drained. */
  drained (): void {
    this.#drained = this.requestsDrained
  }

  /** Other code has ended a request. */
  lose (): void {
    this.#lost++
  }

  /** Requests that other code has ended, while running too. */
  get lost (): number { return this.#lost }

  /**
   * Milliseconds spent in a phase.
   *
   * @param elapsed in the phase that is under way; undefined for every other
   */
  timeIn (phase: Phase, elapsed: number | undefined): number {
    // A record is rounded: a counter that was ahead of it would go back.
    return this.#timeIn(phase) + Math.floor(elapsed ?? 0)
  }

  get shed (): number {
    return this.#shedBefore + (this.#shedFrom === undefined ? 0 : this.#sources.shed() - this.#shedFrom)
  }

  /** Requests that came to their end in phase 3. */
  get requestsDrained (): number {
    if (this.#drained !== undefined) return this.#drained
    return this.#endedBefore === undefined ? 0 : this.#sources.ended() - this.#endedBefore
  }

  #timeIn (phase: Phase): number {
    return this.#times.get(phase) ?? 0
  }
}

import type { AnnounceBudget } from '../lifecycle/budget.ts'
import type { Arrivals } from './arrivals.ts'
import type { EnvoySignal, Shedding } from './shedding.ts'
import type { FrontObserver } from './front-observer.ts'
import type { IdleSweep } from './idle.ts'
import { ramp } from './stagger.ts'
import type { Shed } from './stagger.ts'

/** Milliseconds between two looks at all connections. */
const lookInterval = 500

/** The times of phase 1, in milliseconds, and how connections are told in it. */
interface AnnouncementSettings {
  announce: AnnounceBudget
  /** How long it is kept from the balancer. */
  toldAfter?: number | undefined
  shed: Shed
}

/** Who is told, and who knows whether that has been heard. */
interface Parts {
  arrivals: Arrivals
  front: FrontObserver
  envoy: EnvoySignal
  shedding: Shedding
  idle: IdleSweep
}

/** Phase 1, while a server is open: who is told by when, and what it waits for. */
export class Announcement {
  readonly #settings: AnnouncementSettings
  readonly #parts: Parts
  /** How many milliseconds later health routes begin to fail. */
  readonly toldAfter: number

  constructor (settings: AnnouncementSettings, parts: Parts) {
    this.#settings = settings
    this.#parts = parts
    this.toldAfter = settings.toldAfter ?? settings.announce.readinessDelay
  }

  /**
   * Phase 1 begins, and all replies are followed.
   *
   * @param isOpen whether there is a server to come back to
   */
  begin (isOpen: boolean): void {
    if (this.toldAfter === 0) this.#parts.envoy.tell()
    // The first tick may be late.
    if (isOpen) this.#shed(0)
  }

  /** Why phase 1 has to go on, `elapsed` milliseconds after it began. */
  stalls (elapsed: number): string | false {
    const { announce } = this.#settings
    const { arrivals, front, envoy, idle } = this.#parts
    // Health routes that are still good have not told the balancer anything yet.
    const told = elapsed - this.toldAfter
    this.#shed(elapsed)
    idle.look(lookInterval)
    if (told < 0) return 'health routes are still good, as announce.readinessDelay and probes.external.delay ask'
    envoy.tell()
    const untold = front.waiting(announce.quiet)
    if (untold !== undefined) return untold
    return (front.isPresent && arrivals.stillSending(elapsed, announce)) || false
  }

  /** Tells those connections whose turn it is, `elapsed` milliseconds after phase 1 began. */
  #shed (elapsed: number): void {
    const { announce, shed } = this.#settings
    const { toldAfter } = this
    const length = Math.max(announce.min - toldAfter, announce.quiet)
    this.#parts.shedding.raise(ramp(shed, elapsed - toldAfter, length))
  }
}

import type { WardState } from '../protocol.ts'
import { monotonic } from '../heartbeat.ts'
import { unseen } from '../request-ages.ts'
import type { SharedSights, Sight } from '../request-ages.ts'
import type { Ward } from './types.ts'

/** How many requests are told of each application. */
const mostRequests = 10

/** Where more requests than this were in flight, only each fifth heartbeat takes a look at them. */
const manyRequests = 25
const manyEvery = 5

/** The applications of a process, as they are told of. */
export class Census {
  readonly #wards: ReadonlySet<Ward>
  readonly #sights: SharedSights
  #mostInFlight = 0
  #looks = 0

  constructor (wards: ReadonlySet<Ward>, sights: SharedSights) {
    this.#wards = wards
    this.#sights = sights
  }

  /** Takes a look at the requests in flight, which the watchdog reads when it needs it. */
  look (): void {
    const sights = [...this.#wards].map((ward) => ward.crowded() ? unseen : sightOf(ward))
    this.#mostInFlight = Math.max(0, ...sights.map(({ inFlight = 0 }) => inFlight))
    this.#sights.write(sights)
  }

  /** The same, with each heartbeat: of many requests it takes its time. */
  glance (): void {
    const due = ++this.#looks % manyEvery === 0
    if (due || this.#mostInFlight <= manyRequests) this.look()
  }

  /** All that is told in messages. */
  states (): WardState[] {
    return [...this.#wards].map((ward) => stateOf(ward, unseen))
  }

  /** All that is known now, as JSON: what the watchdog evaluates on a main thread that it has paused. */
  snapshot (): string {
    return JSON.stringify([...this.#wards].map((ward) => stateOf(ward, sightOf(ward))))
  }
}

function sightOf (ward: Ward): Sight {
  const requests = ward.requests(mostRequests)
  // Where there are none the time is no news: a service that rests tells nothing.
  return { requests, seenAt: requests.length > 0 ? monotonic() : undefined, inFlight: ward.inFlight() }
}

function stateOf (ward: Ward, sight: Sight): WardState {
  return { ...ward.state(), ...sight, measured: ward.metrics !== undefined }
}

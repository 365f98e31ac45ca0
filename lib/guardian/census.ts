import type { WardState } from './protocol.ts'
import { monotonic } from './pulse.ts'
import type { Ward } from './types.ts'

/** How many requests are told of each application. */
const mostRequests = 10

type Sight = Pick<WardState, 'requests' | 'seenAt' | 'inFlight'>
const unseen: Sight = { requests: [], seenAt: undefined, inFlight: undefined }

/** The applications of a process, as they are told of. */
export class Census {
  readonly #wards: ReadonlySet<Ward>
  #sights = new Map<Ward, Sight>()

  constructor (wards: ReadonlySet<Ward>) {
    this.#wards = wards
  }

  /** Takes a look at the requests in flight, of which {@link Census.states} tells until the next one. */
  look (): void {
    this.#sights = new Map([...this.#wards].map((ward) => [ward, ward.crowded() ? unseen : sightOf(ward)]))
  }

  states (): WardState[] {
    return [...this.#wards].map((ward) => stateOf(ward, this.#sights.get(ward) ?? unseen))
  }

  /** All that is known now, as JSON: what the guardian evaluates on a main thread that it has paused. */
  snapshot (): string {
    return JSON.stringify([...this.#wards].map((ward) => stateOf(ward, sightOf(ward))))
  }
}

function sightOf (ward: Ward): Sight {
  const requests = ward.requests()
  // Where there are none the time is no news: a service that rests tells nothing.
  return { requests: requests.slice(0, mostRequests), seenAt: requests.length > 0 ? monotonic() : undefined, inFlight: requests.length }
}

function stateOf (ward: Ward, sight: Sight): WardState {
  return { ...ward.state(), ...sight, measured: ward.metrics !== undefined }
}

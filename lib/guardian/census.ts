import type { WardState } from './protocol.ts'
import { monotonic } from './pulse.ts'
import type { Ward } from './types.ts'

/** How many requests are told of each application. */
const mostRequests = 10

type Sight = Pick<WardState, 'requests' | 'seenAt' | 'inFlight'>
const unseen: Sight = { requests: [], seenAt: undefined, inFlight: undefined }

/** Where more requests than this were in flight, only each fifth heartbeat takes a look at them. */
const manyRequests = 25
const manyEvery = 5
/** By how much the begin of the same request may differ in two looks, in milliseconds. */
const rounding = 3

/** The applications of a process, as they are told of. */
export class Census {
  readonly #wards: ReadonlySet<Ward>
  #sights = new Map<Ward, Sight>()
  #looks = 0

  constructor (wards: ReadonlySet<Ward>) {
    this.#wards = wards
  }

  /** Takes a look at the requests in flight, of which {@link Census.states} tells until the next one. */
  look (): void {
    this.#sights = new Map([...this.#wards].map((ward) => [ward, ward.crowded() ? unseen : newsOf(sightOf(ward), this.#sights.get(ward))]))
  }

  /** The same, with each heartbeat: of many requests it takes its time. */
  glance (): void {
    const due = ++this.#looks % manyEvery === 0
    if (due || [...this.#sights.values()].every(({ inFlight = 0 }) => inFlight <= manyRequests)) this.look()
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

/** The same requests, that are merely older, are no news. */
function newsOf (sight: Sight, known: Sight | undefined): Sight {
  if (known?.seenAt === undefined || sight.seenAt === undefined || known.inFlight !== sight.inFlight || known.requests.length !== sight.requests.length) return sight
  const older = sight.seenAt - known.seenAt
  const same = sight.requests.every(({ method, route, kind, age }, index) => {
    const before = known.requests[index]!
    return before.method === method && before.route === route && before.kind === kind && Math.abs(before.age + older - age) <= rounding
  })
  return same ? known : sight
}

function stateOf (ward: Ward, sight: Sight): WardState {
  return { ...ward.state(), ...sight, measured: ward.metrics !== undefined }
}

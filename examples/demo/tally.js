/** The ways to lose a request, as a client sees them. */
export const kinds = {
  refused: 'no answer on a new connection',
  reset: 'no answer on a kept-alive connection',
  unavailable: 'answered 503',
  truncated: 'answer cut short',
  wrong: 'wrong answer',
  late: 'no answer within 10 s',
  dropped: 'event stream or WebSocket dropped'
}

/** Counts requests and losses. A request counts when it is over; one that is lost is never repeated. */
export class Tally {
  requests = 0
  lost = 0
  byKind = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0]))

  /** @param {keyof typeof kinds} [kind] how it was lost; absent if it was answered */
  count (kind) {
    this.requests++
    if (kind === undefined) return
    this.lost++
    this.byKind[kind]++
  }
}

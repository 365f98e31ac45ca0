// Who sends: clients that keep a connection, clients that open one for each request, and WebSockets.

/**
 * What the clients of one replica have in common.
 *
 * @typedef {object} Place
 * @property clock the virtual one
 * @property random the generator of this run
 * @property replica the one that ends
 * @property {() => boolean} isHere whether a new connection comes to this replica, of all that there are
 * @property {(kind: string) => void} lose counts a request that was lost
 * @property {() => void} leave counts a connection that was sent away and now goes to another replica
 * @property behaviour times in milliseconds: `wire` one way, `think` between two requests of a client, `hangUp` after
 * which it ends an idle connection, `backoff` of a WebSocket; `duration()` of a request
 */

/** A client that keeps its connection, and opens the next one with its next request. */
export class KeptClient {
  #place
  #socket
  #isSentAway = false

  constructor (place, socket) {
    this.#place = place
    this.#socket = socket
  }

  /** Thinks, and sends. */
  think () {
    const { clock, random, behaviour } = this.#place
    const pause = random.exponential(behaviour.think)
    if (pause > behaviour.hangUp && this.#socket !== undefined) {
      clock.at(clock.now() + behaviour.hangUp, () => this.#hangUp())
    }
    clock.at(clock.now() + pause, () => this.#send())
  }

  #hangUp () {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #send () {
    const { clock, behaviour } = this.#place
    const socket = this.#socket
    if (socket === undefined || socket.destroyedAt + behaviour.wire <= clock.now()) {
      this.#isSentAway ||= socket !== undefined
      return this.#connect()
    }
    clock.at(clock.now() + behaviour.wire, () => this.#arrive())
  }

  #connect () {
    const place = this.#place
    if (!place.isHere()) return this.#isSentAway && place.leave()
    const { clock, behaviour, replica } = place
    clock.at(clock.now() + behaviour.wire, () => {
      this.#socket = replica.accept()
      if (this.#socket === undefined) place.lose('refused')
      else this.#arrive()
    })
  }

  #arrive () {
    const { clock, replica, behaviour, lose } = this.#place
    const socket = this.#socket
    // The client had not heard of the end when it sent.
    if (socket.destroyed) return lose('reused')
    const exchange = replica.begin(socket)
    clock.at(clock.now() + behaviour.duration(), () => {
      // What was in flight at the cut is counted there.
      if (socket.destroyed) return
      if (replica.finish(exchange)) {
        this.#socket = undefined
        this.#isSentAway = true
      }
      this.think()
    })
  }
}

/** A client that opens a connection for one request. */
export function visit ({ clock, replica, behaviour, lose }) {
  clock.at(clock.now() + behaviour.wire, () => {
    const socket = replica.accept()
    if (socket === undefined) return lose('refused')
    const exchange = replica.begin(socket, true)
    clock.at(clock.now() + behaviour.duration(), () => { if (!socket.destroyed) replica.finish(exchange) })
  })
}

/** A client with a WebSocket, which comes back elsewhere, after a back-off of its own, when that was closed. */
export function listen (place) {
  const { clock, random, replica, behaviour } = place
  const socket = replica.acceptWebSocket(2 * behaviour.wire, () => {
    clock.at(clock.now() + random.between(0, behaviour.backoff), () => {
      if (place.isHere()) listen(place)
      else place.leave()
    })
  })
  if (socket === undefined) place.lose('refused')
}

import type { Socket } from 'node:net'
import { descriptorLimit } from './descriptors.ts'
import type { SerialConnection, Waiting } from './serial.ts'

/**
 * How long a connection may wait, in milliseconds: for a request, for the rest of its head, for the client to take the
 * answer, and for its end.
 */
const patience: Readonly<Record<Waiting, number>> = { request: 5000, head: 2000, answer: 10_000, end: 1000 }
/** Connections at most, and which part of the process's descriptors they may have. */
const most = { connections: 256, share: 1 / 4, least: 8 }
/** Bytes of answers that nobody has taken, of all connections together. What several wait for counts for each. */
const mostUnsent = 32 * 2 ** 20

/** A connection that has been accepted. Until its first byte it costs little: a thousand may come at once. */
export class Accepted {
  readonly socket: Socket
  readonly address: string | undefined
  /** As the server sees it; undefined until the first byte. */
  connection: SerialConnection | undefined
  readonly #at = performance.now()

  constructor (socket: Socket) {
    this.socket = socket
    this.address = socket.remoteAddress
  }

  get isLasting (): boolean { return this.connection?.isLasting === true }
  get unsent (): number { return this.connection?.writableLength ?? 0 }

  /** Whether it waits for something too long. */
  isOverdue (now: number): boolean {
    const { waiting = 'request', since = this.#at, isLasting = false } = this.connection ?? {}
    return !isLasting && now - since > patience[waiting]
  }

  destroy (): void {
    (this.connection ?? this.socket).destroy()
  }
}

/** The connections of a server of our own: how many there may be, for how long, and with how much unsent. */
export class Connections {
  readonly #open = new Set<Accepted>()
  /** How many there are of each address. */
  readonly #counts = new Map<string | undefined, number>()
  readonly #most = Math.max(most.least, Math.min(most.connections, Math.floor(descriptorLimit() * most.share)))

  /** One more; where there are too many, another one is closed for it. */
  add (accepted: Accepted): void {
    const { socket, address } = accepted
    if (this.#open.size >= this.#most) this.#first()?.destroy()
    this.#open.add(accepted)
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1)
    socket.once('close', () => {
      this.#open.delete(accepted)
      const left = this.#counts.get(address)! - 1
      if (left > 0) this.#counts.set(address, left)
      else this.#counts.delete(address)
    })
  }

  /** Closes those of which this is true. */
  destroy (isMeant: (accepted: Accepted) => boolean): void {
    for (const accepted of this.#open) if (isMeant(accepted)) accepted.destroy()
  }

  /** Closes those that wait too long, and who takes nothing where too much is unsent. */
  look (): void {
    const now = performance.now()
    let unsent = 0
    for (const accepted of this.#open) {
      if (accepted.isOverdue(now)) accepted.destroy()
      else unsent += accepted.unsent
    }
    for (const accepted of this.#open) {
      if (unsent <= mostUnsent) return
      if (accepted.socket.destroyed || accepted.unsent === 0) continue
      unsent -= accepted.unsent
      accepted.destroy()
    }
  }

  /** The one that goes first: the oldest of the address that has the most of them, but for answers that last. */
  #first (): Accepted | undefined {
    const highest = Math.max(...this.#counts.values())
    for (const accepted of this.#open) {
      const { isLasting, socket: { destroyed }, address } = accepted
      if (!isLasting && !destroyed && this.#counts.get(address) === highest) return accepted
    }
    return undefined
  }
}

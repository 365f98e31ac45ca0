import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { AddressCounts, sourceOf } from './address-counts.ts'
import type { SerialConnection, Waiting } from './serial.ts'

/**
 * How long a connection may wait, in milliseconds: for a request, for the rest of its head, for the client to take the
 * answer, and for its end.
 */
const patience: Readonly<Record<Waiting, number>> = { request: 5000, head: 2000, answer: 10_000, end: 1000 }
/** Connections at most: that have come and are not read yet, that have asked for a probe and wait for us, others. */
const most = { arrived: 512, probing: 1024, others: 256 }
/** Of the others, how much may be taken while those that have been told what they asked for may stay. */
const roomy = 1 / 4
/** How much of the process's descriptors all may have, the least, and how much of that those that wait may. */
const shares = { all: 1 / 4, least: 8, waiting: 1 / 4 }
/** Bytes of answers that nobody has taken, of all connections together. What several wait for counts for each. */
const mostUnsent = 32 * 2 ** 20

/** A connection that has been accepted. Until its first byte it costs little: a thousand may come at once. */
export class Accepted {
  readonly socket: Socket
  readonly address: string | undefined
  /** As the server sees it; undefined until the first byte. */
  connection: SerialConnection | undefined
  /** Something has been read from it. */
  hasAsked = false
  #at = performance.now()

  constructor (socket: Socket) {
    this.socket = socket
    this.address = sourceOf(socket.remoteAddress)
  }

  get isLasting (): boolean { return this.connection?.isLasting === true }
  /** Whether it waits for us, and not for the client. */
  get isOurs (): boolean { return this.connection?.isOurs ?? this.hasAsked }

  get unsent (): number { return this.connection?.writableLength ?? 0 }

  /** It has been answered, and waits for the next request. */
  rest (): void {
    this.#at = performance.now()
  }

  /** Whether it waits for something too long. */
  isOverdue (now: number): boolean {
    const { waiting = 'request', since = this.#at, isLasting = false } = this.connection ?? {}
    return !isLasting && now - since > patience[waiting]
  }

  destroy (): void {
    (this.connection ?? this.socket).destroy()
  }
}

/** Connections of a kind, in the order in which they have become that. */
class Group {
  readonly most: number
  readonly members = new Set<Accepted>()
  readonly #counts = new AddressCounts()

  constructor (limit: number) {
    this.most = limit
  }

  /** One more; where there are too many, another one is closed for it. */
  join (accepted: Accepted): void {
    if (this.size >= this.most) this.first()?.destroy()
    this.add(accepted)
  }

  get size (): number { return this.members.size }

  add (accepted: Accepted): void {
    this.members.add(accepted)
    this.#counts.add(accepted.address)
  }

  /** Whether it was one of them. */
  delete (accepted: Accepted): boolean {
    const isMember = this.members.delete(accepted)
    if (isMember) this.#counts.remove(accepted.address)
    return isMember
  }

  /**
   * The one that goes first, but for answers that last: the oldest of the address that has the most of them. Those that
   * wait for us and those that do not have half of the places each, which the others do not take from them.
   */
  first (): Accepted | undefined {
    const highest = this.#counts.highest
    const kinds: Record<'ours' | 'others', Accepted[]> = { ours: [], others: [] }
    for (const accepted of this.members) {
      const { isLasting, isOurs, socket: { destroyed }, address } = accepted
      if (isLasting || destroyed || this.#counts.of(address) !== highest) continue
      kinds[isOurs ? 'ours' : 'others'].push(accepted)
    }
    const { ours, others } = kinds
    return (ours.length > others.length ? ours : others)[0]
  }
}

/** The connections of a server of our own: how many there may be, for how long, and with how much unsent. */
export class Connections {
  /** Those from which nothing has been read. Who makes room for the next one reads. */
  readonly #arrived: Group
  /** Those that have asked for a probe, and wait for us: nobody else's connection closes one. */
  readonly #probing: Group
  readonly #others: Group
  readonly #most: number
  readonly #left: (accepted: Accepted) => void

  /** @param left told of each that has gone */
  constructor (left: (accepted: Accepted) => void) {
    this.#left = left
    this.#most = Math.max(shares.least, Math.floor(descriptorLimit() * shares.all))
    const mostWaiting = Math.floor(this.#most * shares.waiting)
    this.#arrived = new Group(Math.min(most.arrived, mostWaiting))
    this.#probing = new Group(Math.min(most.probing, mostWaiting))
    this.#others = new Group(Math.min(most.others, this.#most))
  }

  /** Connections at most from which nothing is read yet. */
  get mostArrived (): number { return this.#arrived.most }

  /** One more; where there are too few descriptors, another one is closed for it. */
  add (accepted: Accepted): void {
    if (this.#size >= this.#most) this.#first()?.destroy()
    this.#arrived.add(accepted)
    accepted.socket.on('close', () => {
      for (const group of this.#groups) group.delete(accepted)
      this.#left(accepted)
    })
  }

  /** It is read from; where there are too many of these, another one is closed for it. */
  greet (accepted: Accepted): void {
    this.#arrived.delete(accepted)
    this.#others.join(accepted)
  }

  /** It has asked for a probe, which waits for its turn. */
  probe (accepted: Accepted): void {
    this.#others.delete(accepted)
    this.#probing.join(accepted)
  }

  /** It is given to the server. */
  begin (accepted: Accepted, connection: SerialConnection): void {
    accepted.connection = connection
    if (this.#probing.delete(accepted)) this.#others.join(accepted)
  }

  /** It has been told all that it asked for, and ends at once: it is in nobody's way until Node says so. */
  leave (accepted: Accepted): void {
    this.#others.delete(accepted)
    accepted.destroy()
  }

  /** Whether whoever has been answered may stay. */
  get hasRoom (): boolean { return this.#others.size <= this.#others.most * roomy }

  get #size (): number { return this.#others.size + this.#probing.size + this.#arrived.size }
  get #groups (): Group[] { return [this.#others, this.#probing, this.#arrived] }
  get #all (): Accepted[] { return this.#groups.flatMap(({ members }) => [...members]) }

  #first (): Accepted | undefined {
    for (const group of this.#groups) {
      const first = group.first()
      if (first !== undefined) return first
    }
    return undefined
  }

  /** Closes those of which this is true. */
  destroy (isMeant: (accepted: Accepted) => boolean): void {
    for (const accepted of this.#all) if (isMeant(accepted)) accepted.destroy()
  }

  /** Closes those that wait too long, and who takes nothing where too much is unsent. */
  look (): void {
    const now = performance.now()
    let unsent = 0
    for (const accepted of this.#all) {
      if (accepted.isOverdue(now)) accepted.destroy()
      else unsent += accepted.unsent
    }
    for (const accepted of this.#all) {
      if (unsent <= mostUnsent) return
      if (accepted.socket.destroyed || accepted.unsent === 0) continue
      unsent -= accepted.unsent
      accepted.destroy()
    }
  }
}

/** How many descriptors this process may have; Infinity where the platform does not tell. */
function descriptorLimit (): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    const limit = Number(soft)
    return Number.isInteger(limit) && limit > 0 ? limit : Infinity
  } catch {
    return Infinity
  }
}

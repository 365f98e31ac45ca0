import { setImmediate } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
import { acceptOn, nameOfListener } from '../../fastify/process-internals.ts'
import type { ConnectionHandle, ListenerHandle } from '../../fastify/process-internals.ts'
import { sourceOf } from '../../server/address-counts.ts'
import { handOver, isOurs } from '../protocol.ts'
import type { Tell } from '../protocol.ts'
import type { Child } from './child.ts'

/** How long what has come may take to be accepted and taken before a port is closed, in milliseconds. */
const longestEmptying = 500
/** How often, in milliseconds, and how many times is looked whether something is over. */
const [lookInterval, mostLooks] = [5, 100]
/** Connections that are kept while nobody can take them: as many as Node lets the kernel queue. */
const mostHeld = 511

/** A connection that was accepted here, and that a child is to take. */
interface Waiting { connection: ConnectionHandle, listener: string, source: string }

/** As much of a child as is needed to give it connections. */
export type Taker = Pick<Child, 'place' | 'ready' | 'ending' | 'responding' | 'worker'>

/** What is known of one child. */
interface Member {
  readonly child: Taker
  /** The listeners on which it takes connections. */
  listens: readonly string[]
  /** The connection that it was given and has not answered: one at a time, as Node hands over descriptors. */
  given: Waiting | undefined
  readonly queue: Waiting[]
}

/**
 * Accepts the connections of all children in this process, and gives those of one address to one place. A connection
 * stays open here until a child says that it takes it: what a child refuses, or has not taken when it ends, is given to
 * the next one.
 */
export class Sticky {
  readonly #members = new Set<Member>()
  /** How each port is closed, by the names of the listeners. */
  readonly #ports = new Map<string, () => void>()
  /** Connections that no child can take at the moment. */
  readonly #held: Waiting[] = []
  #accepted = 0

  /** A child is there. */
  join (child: Taker): void {
    const member: Member = { child, listens: [], given: undefined, queue: [] }
    this.#members.add(member)
    child.worker.on('message', (message: unknown) => { if (isOurs(message)) this.#hear(member, message as Tell) })
    // All that it has told was read by then.
    child.worker.once('disconnect', () => {
      this.#members.delete(member)
      this.#route([member.given ?? [], member.queue].flat())
    })
    child.worker.once('exit', () => { void this.#gone(member) })
  }

  /**
   * Accepts on a socket from now on. One that has no address is left to the children.
   *
   * @returns 0, or the number of an error
   */
  open (handle: ListenerHandle): number {
    const listener = nameOfListener(handle)
    if (listener === undefined) return 0
    const close = handle.close.bind(handle)
    handle.close = (callback) => {
      this.#ports.delete(listener)
      this.#route(this.#held.splice(0))
      close(callback)
    }
    this.#ports.set(listener, handle.close)
    return acceptOn(handle, (connection, address) => {
      this.#accepted++
      this.#route([{ connection, listener, source: sourceOf(address) ?? '' }])
    })
  }

  /** A child has changed: what waits for one that does not serve goes to another one. */
  look (): void {
    const waiting = [...this.#members].filter(({ child }) => rankOf(child) > 0).flatMap(({ queue }) => queue.splice(0))
    this.#route([...this.#held.splice(0), ...waiting])
  }

  /** Takes what the kernel has queued, closes the ports, and waits until the children have taken all of it. */
  async empty (): Promise<void> {
    const end = performance.now() + longestEmptying
    // libuv accepts one connection per turn: one empty turn proves nothing.
    for (let last = -1, still = 0; still < 2 && performance.now() < end; last = this.#accepted) {
      // oxlint-disable-next-line no-await-in-loop -- one turn after the other is what is being measured
      await new Promise((resolve) => { setImmediate(resolve) })
      still = this.#accepted === last ? still + 1 : 0
    }
    this.close()
    // oxlint-disable-next-line no-await-in-loop -- until it is so
    while ([...this.#members].some(isBusy) && performance.now() < end) await sleep(lookInterval)
  }

  /** Closes the ports. */
  close (): void {
    for (const close of this.#ports.values()) close()
  }

  /** Node does not say that a channel is closed while the child owes it a word on a connection that it was sent. */
  async #gone (member: Member): Promise<void> {
    const { worker } = member.child
    // oxlint-disable-next-line no-await-in-loop -- until what it has told is read
    for (let looks = 0; worker.isConnected() && looks < mostLooks; looks++) await sleep(lookInterval)
    // For `node:cluster`, too, which keeps what the child listened on until then.
    if (this.#members.has(member)) worker.process.emit('disconnect')
  }

  #hear (member: Member, tell: Tell): void {
    if ('listens' in tell) {
      member.listens = tell.listens
      this.look()
    } else if ('taken' in tell && member.given !== undefined) {
      const { given } = member
      member.given = undefined
      if (tell.taken) given.connection.close()
      else {
        member.listens = member.listens.filter((name) => name !== given.listener)
        this.#route([given])
      }
      this.#give(member)
    }
  }

  #route (all: readonly Waiting[]): void {
    for (const waiting of all) {
      const member = this.#takerOf(waiting)
      if (member !== undefined) {
        member.queue.push(waiting)
        this.#give(member)
      } else if (this.#ports.has(waiting.listener) && this.#held.length < mostHeld) this.#held.push(waiting)
      else waiting.connection.close()
    }
  }

  #takerOf ({ listener, source }: Waiting): Member | undefined {
    let [best, lowest, highest]: [Member | undefined, number, number] = [undefined, Infinity, -1]
    for (const member of this.#members) {
      const { listens, child } = member
      if (!listens.includes(listener) || !child.worker.isConnected()) continue
      const [rank, weight] = [rankOf(child), weightOf(source, child.place)]
      // Of two at one place the newer one.
      if (rank < lowest || (rank === lowest && weight >= highest)) [best, lowest, highest] = [member, rank, weight]
    }
    return best
  }

  /** Gives a child the next one, if it has answered for the last one. */
  #give (member: Member): void {
    if (member.given !== undefined) return
    const next = member.given = member.queue.shift()
    if (next === undefined) return
    // Where it cannot be sent the channel is closed, and it comes back with that.
    const { process } = member.child.worker
    process.send({ cmd: handOver, listener: next.listener }, next.connection as never, undefined, () => {})
  }
}

/** Whether it has something to take. */
function isBusy ({ given, queue }: Member): boolean {
  return given !== undefined || queue.length > 0
}

/** The order in which children are asked: those that serve first. */
function rankOf ({ ready, ending, responding }: Taker): number {
  return ready && !ending ? 0 : responding ? 1 : 2
}

/**
 * How much a place wants an address. The one that wants it most has it (rendezvous hashing): where a place is gone, its
 * addresses are spread over the others, which keep their own.
 */
export function weightOf (source: string, place: number): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < source.length; index++) hash = Math.imul(hash ^ source.charCodeAt(index), 0x01000193)
  hash ^= Math.imul(place, 0x9e3779b1)
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b)
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35)
  return (hash ^ hash >>> 16) >>> 0
}

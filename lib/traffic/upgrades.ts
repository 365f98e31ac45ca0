import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import { noteUpgrade } from '../fastify/node-internals.ts'
import type { Faults } from '../util/faults.ts'
import type { HttpSocket } from './tags.ts'
import type { MessageSource } from './messages.ts'
import { followMessages, webSocketOf } from './web-socket.ts'

/** Where it is kept how much of an upgraded socket had been read when something was last written. */
const readAtWrite: unique symbol = Symbol('fastify-graceful.read-at-write')

type UpgradedSocket = HttpSocket & { [readAtWrite]?: number }

/**
 * Connections that leave HTTP. Each is met once, when it is upgraded: a WebSocket of `ws` is then followed
 * by its messages, whoever made its server; of any other one only the order of reads and writes is known.
 */
export class Upgrades {
  /** What all WebSockets share. */
  readonly source: MessageSource
  readonly #onUpgrade: (socket: HttpSocket) => void
  readonly #servers = new WeakSet<Server>()
  readonly #write = this.#makeWrite()

  /**
   * @param clock read with each message, in milliseconds: a coarse one
   * @param onUpgrade called with each socket that has left HTTP, before anything was written on it
   */
  constructor (clock: { readonly now: number }, onUpgrade: (socket: HttpSocket) => void, faults: Faults) {
    this.source = { clock, exact: false, faults }
    this.#onUpgrade = onUpgrade
  }

  /**
   * Follows the upgrades of a server. Node hands a request with an `Upgrade` header to a listener of `upgrade`,
   * and to the ordinary handler where there is none: ours is there only beside one of somebody else.
   */
  follow (server: Server): void {
    if (this.#servers.has(server)) return
    this.#servers.add(server)
    const { faults } = this.source
    for (const event of ['upgrade', 'connect']) {
      const met = (_request: IncomingMessage, socket: HttpSocket): void => {
        try {
          this.#meet(socket)
        } catch (error) {
          faults.note(`listener of '${event}'`, error)
        }
      }
      const look = (changed: string | symbol): void => {
        if (changed !== event) return
        const others = server.listeners(event).filter((listener) => listener !== met).length
        if (others === 0) server.off(event, met)
        else if (!server.listeners(event).includes(met)) server.prependListener(event, met)
      }
      // `newListener` comes before the listener is there.
      const join = (added: string | symbol, listener: unknown): void => {
        if (added === event && listener !== met && !server.listeners(event).includes(met)) {
          server.prependListener(event, met)
        }
      }
      server.on('newListener', faults.guard("listener of 'newListener'", join))
      server.on('removeListener', faults.guard("listener of 'removeListener'", look))
      look(event)
    }
  }

  /** Whether something was read from an upgraded socket that nothing was written after. */
  hasUnanswered (socket: UpgradedSocket): boolean {
    const known = socket[readAtWrite]
    return known !== undefined && socket.bytesRead > known
  }

  #meet (socket: UpgradedSocket): void {
    // A mock of an injected WebSocket.
    if (typeof socket.bytesRead !== 'number') return
    socket[readAtWrite] = 0
    noteUpgrade(socket)
    if (!Object.hasOwn(socket, 'write')) socket.write = this.#write
    this.#onUpgrade(socket)
  }

  /** In place of `write`, until a WebSocket of `ws` is known to have taken over. */
  #makeWrite (): Socket['write'] {
    // The method's own `this` is the socket.
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const upgrades = this
    return function write (this: UpgradedSocket, ...parameters: unknown[]) {
      const isFirst = this[readAtWrite] === 0
      this[readAtWrite] = this.bytesRead
      // With the first write, the answer to the upgrade, `ws` ties its WebSocket to the socket;
      // nothing is read before the next tick.
      if (isFirst) process.nextTick(() => upgrades.#adopt(this))
      const { write: original } = Object.getPrototypeOf(this) as { write: (...given: unknown[]) => boolean }
      return original.apply(this, parameters)
    }
  }

  #adopt (socket: UpgradedSocket): void {
    try {
      const webSocket = webSocketOf(socket)
      if (webSocket === undefined) return
      followMessages(webSocket, this.source)
      if (socket.write === this.#write) delete (socket as Partial<UpgradedSocket>).write
    } catch (error) {
      this.source.faults.note('an upgraded socket', error)
    }
  }
}


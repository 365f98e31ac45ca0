import { getSystemErrorName } from '../../util/node-util.ts'
import { clearSocketSync } from './socket.ts'
import { listenerHandleMaker, replaceListenerHandleMaker, withoutMaker } from '../../fastify/process-internals.ts'
import type { ListenerHandle, MakeListenerHandle, MissingPart } from '../../fastify/process-internals.ts'

interface Shared { key: string, handle: ListenerHandle, close: (callback?: () => void) => void }

/** What decides whether a listener is kept. */
export interface Succession {
  /** Whether a child that ends, or has ended, leaves its listeners to one that is to come. */
  expected (): boolean
  /** Whether nobody is to come any more: every place is served. */
  over (): boolean
}

/**
 * Keeps the listening sockets of a child that has ended until its successor takes them over. `node:cluster`
 * closes a shared handle with the last child that has it, and whoever connects then is refused; a socket
 * that somebody holds, and on which nobody accepts, lets connections wait in the kernel's queue.
 */
export class Listeners {
  readonly #succession: Succession
  /** All that are open. */
  readonly #made = new Set<Shared>()
  /** Those of them that no child has. */
  readonly #kept = new Set<Shared>()
  /** Those that somebody has opened for the supervisor, as systemd does, by their keys. */
  readonly #passed = new Map<string, ListenerHandle>()
  #make: MakeListenerHandle | undefined
  #released = false

  constructor (succession: Succession) {
    this.#succession = succession
  }

  /** Answers what of Node is missing, without which no listener is kept. */
  install (): MissingPart | undefined {
    const make = this.#make = listenerHandleMaker()
    if (make !== undefined) replaceListenerHandleMaker((...parameters) => this.#take(make, parameters))
    return make === undefined ? withoutMaker : undefined
  }

  uninstall (): void {
    this.release()
    if (this.#make !== undefined) replaceListenerHandleMaker(this.#make)
  }

  /** Closes what nobody has taken over, where nobody is to come: a new release may listen elsewhere. */
  settle (): void {
    if (this.#kept.size > 0 && this.#succession.over()) this.#drop()
  }

  /** Nothing is kept any more: the last child that closes a listener closes the port. */
  release (): void {
    this.#released = true
    this.#drop()
  }

  /**
   * Closes whatever has a port, though children have it, too: a port is closed with the last of
   * them, and not when the parent hears of it.
   */
  close (): void {
    for (const { handle, close } of this.#made) if (handle.getsockname !== undefined) close()
    this.#made.clear()
  }

  #take (make: MakeListenerHandle, parameters: Parameters<MakeListenerHandle>): ListenerHandle | number {
    const key = parameters.join(' ')
    const [, , , fd] = parameters
    if (typeof fd === 'number' && fd >= 0) return this.#takePassed(make, parameters, key)
    for (const kept of this.#kept) {
      if (kept.key !== key) continue
      this.#kept.delete(kept)
      return kept.handle
    }
    const handle = makeAnew(make, parameters)
    if (typeof handle === 'number') return handle
    const [, port] = parameters
    const shared: Shared = { key, handle, close: handle.close.bind(handle) }
    this.#made.add(shared)
    handle.close = (callback) => {
      if (!this.#released && isBound(handle, port) && this.#succession.expected()) {
        this.#kept.add(shared)
        return
      }
      this.#made.delete(shared)
      shared.close(callback)
    }
    return handle
  }

  /** It stays open, for it could not be opened again: whoever has passed it holds the socket, too. */
  #takePassed (
    make: MakeListenerHandle,
    parameters: Parameters<MakeListenerHandle>,
    key: string
  ): ListenerHandle | number {
    const handle = this.#passed.get(key) ?? make(...parameters)
    if (typeof handle === 'number') return handle
    this.#passed.set(key, handle)
    handle.close = (callback) => callback?.()
    return handle
  }

  #drop (): void {
    for (const kept of this.#kept) {
      this.#made.delete(kept)
      kept.close()
    }
    this.#kept.clear()
  }
}

/** A socket file that a killed process has left stands in the way of every child, which would end in a crash loop. */
function makeAnew (make: MakeListenerHandle, parameters: Parameters<MakeListenerHandle>): ListenerHandle | number {
  const made = make(...parameters)
  const [path] = parameters
  const isTaken = typeof made === 'number' && made < 0 && getSystemErrorName(made) === 'EADDRINUSE'
  return isTaken && isPath(parameters) && clearSocketSync(path ?? '') ? make(...parameters) : made
}

/** `node:cluster` gives -1 for the port and the kind of address of a path. */
function isPath ([address, port, kind]: Parameters<MakeListenerHandle>): boolean {
  return typeof address === 'string' && address !== '' && !address.startsWith('\0') && port === -1 && kind === -1
}

/** Node learns of a port that is taken only when it listens; such a handle must not be handed to the next child. */
function isBound (handle: ListenerHandle, wanted: number): boolean {
  if (handle.getsockname === undefined) return true
  const bound: { port?: number } = {}
  return handle.getsockname(bound) === 0 && bound.port !== undefined && bound.port > 0
    && (wanted <= 0 || bound.port === wanted)
}

import { getSystemErrorName } from '../../util/node-util.ts'
import { clearSocketSync } from '../../server/socket-files.ts'
import type { Aggregate } from './aggregate.ts'
import type { Child } from './child.ts'
import type { SupervisorLog } from './terminal.ts'
import type { Slot } from './respawn.ts'
import { Sticky } from './sticky.ts'
import { listenerHandleMaker, replaceListenerHandleMaker, withoutMaker } from '../../fastify/process-internals.ts'
import type { ListenerHandle, MakeListenerHandle, MissingPart } from '../../fastify/process-internals.ts'

interface Shared { key: string, handle: ListenerHandle, close: (callback?: () => void) => void }

/** As much of the supervisor as decides whether a listener is kept, and who takes its connections. */
export interface Listened {
  readonly settings: { readonly sticky: boolean }
  readonly slots: readonly Slot[]
  readonly children: ReadonlySet<Child>
  readonly aggregate: Pick<Aggregate, 'served' | 'onChange'>
  readonly log: SupervisorLog
}

/**
 * Keeps the listening sockets of a child that has ended until its successor takes them over. `node:cluster`
 * closes a shared handle with the last child that has it, and whoever connects then is refused; a socket
 * that somebody holds, and on which nobody accepts, lets connections wait in the kernel's queue.
 */
export class Listeners {
  readonly #supervisor: Listened
  readonly #sticky: Sticky | undefined
  /** All listeners that are open. */
  readonly #made = new Set<Shared>()
  /** The listeners of these that no child has. */
  readonly #kept = new Set<Shared>()
  /** Listeners that were opened for the supervisor, as by systemd, by their keys. */
  readonly #passed = new Map<string, ListenerHandle>()
  #make: MakeListenerHandle | undefined
  #released = false
  #isEmptying = false
  #isEmpty: boolean

  constructor (supervisor: Listened) {
    this.#supervisor = supervisor
    this.#sticky = supervisor.settings.sticky ? new Sticky() : undefined
    this.#isEmpty = this.#sticky === undefined
    supervisor.aggregate.onChange(() => this.#sticky?.look())
  }

  /** A child is there. */
  join (child: Child): void {
    this.#sticky?.join(child)
  }

  /** Answers what of Node is missing, without which no listener is kept. */
  install (): MissingPart | undefined {
    const make = this.#make = listenerHandleMaker()
    if (make !== undefined) replaceListenerHandleMaker((...parameters) => this.#take(make, parameters))
    return make === undefined ? withoutMaker : undefined
  }

  uninstall (): void {
    this.release()
    this.#sticky?.close()
    if (this.#make !== undefined) replaceListenerHandleMaker(this.#make)
  }

  /** Closes what nobody has taken over, where nobody is to come: a new release may listen elsewhere. */
  settle (): void {
    if (this.#kept.size > 0 && this.#supervisor.aggregate.served) this.#drop()
  }

  /** Nothing is kept any more: the last child that closes a listener closes the port. */
  release (): void {
    this.#released = true
    this.#drop()
  }

  /**
   * Closes whatever has a port, though children have it, too: a port is closed with the last of
   * them, and not when the parent hears of it.
   *
   * @param again called where connections have to be taken first, when that is over
   * @returns whether it did
   */
  close (again: () => void): boolean {
    if (!this.#isEmpty) {
      const emptied = this.#isEmptying ? undefined : this.#sticky?.empty()
      this.#isEmptying = true
      void emptied?.then(() => {
        this.#isEmpty = true
        again()
      })
      return false
    }
    for (const { handle, close } of this.#made) if (handle.getsockname !== undefined) close()
    this.#made.clear()
    return true
  }

  /** Whether a child that ends, or has ended, leaves its listeners to one that is to come. */
  get #isSucceeded (): boolean {
    const { aggregate, slots, children } = this.#supervisor
    return !aggregate.served
      && (slots.some(({ child }) => child === undefined)
        || [...children].some((child) => child.ending || !child.worker.isConnected()))
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
    const handle = this.#open(makeAnew(make, parameters), parameters)
    if (typeof handle === 'number') return handle
    const [, port] = parameters
    const shared: Shared = { key, handle, close: handle.close.bind(handle) }
    this.#made.add(shared)
    handle.close = (callback) => {
      if (!this.#released && isBound(handle, port) && this.#isSucceeded) {
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
    const handle = this.#passed.get(key)
      ?? this.#open(make(...parameters), parameters)
    if (typeof handle === 'number') return handle
    this.#passed.set(key, handle)
    handle.close = (callback) => callback?.()
    return handle
  }

  /** What has an address is accepted on here, where that is asked for. */
  #open (made: ListenerHandle | number, parameters: Parameters<MakeListenerHandle>): ListenerHandle | number {
    if (this.#sticky === undefined || typeof made === 'number') return made
    if (made.getsockname === undefined) {
      const [path] = parameters
      this.#supervisor.log.warn(
        { event: 'graceful.supervisor.sticky', path },
        `the connections of ${path ?? 'a socket'} have no client address to assign a child by: `
          + 'the kernel hands them to any child'
      )
      return made
    }
    const error = this.#sticky.open(made)
    if (error === 0) return made
    made.close()
    return error
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

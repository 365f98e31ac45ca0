import type { Host } from './host.ts'

/**
 * Signals that somebody in this process raises once others have heard of the one that ends it:
 * Nest, like other frameworks and libraries, raises it again when its hooks are over, to end the
 * process. Such a one is no second signal. One from outside is.
 */
export class RaisedSignals {
  readonly #host: Host
  /** Those that were sent to this very process and have not come yet. */
  readonly #sent = new Set<string>()
  /** The one that is being delivered now. */
  #current: string | undefined
  #uninstall: (() => void) | undefined

  constructor (host: Host) {
    this.#host = host
  }

  /** From now on. */
  install (): void {
    if (this.#uninstall !== undefined) return
    const { events } = this.#host
    const restores = [
      patch(events, 'kill', (kill) => (target, signal) => {
        const name = this.#nameOf(signal ?? 'SIGTERM')
        if (name !== undefined && isThisProcess(target)) this.#sent.add(name)
        return kill(target, signal)
      }),
      // What comes from the system goes past this: Node has bound what it calls when our listener was added.
      patch(events, 'emit', (emit) => (event, ...parameters) => {
        if (this.#host.signalNumber(event) === undefined) return emit(event, ...parameters)
        const before = this.#current
        this.#current = event
        try {
          return emit(event, ...parameters)
        } finally {
          this.#current = before
        }
      })
    ]
    this.#uninstall = () => { for (const restore of restores) restore() }
  }

  uninstall (): void {
    this.#uninstall?.()
    this.#uninstall = undefined
    this.#sent.clear()
  }

  /** Whether somebody here has raised the signal being delivered now: the same for all listeners of one delivery. */
  has (signal: string): boolean {
    if (this.#current === signal) return true
    if (!this.#sent.delete(signal)) return false
    this.#current = signal
    queueMicrotask(() => { this.#current = undefined })
    return true
  }

  #nameOf (signal: string | number): string | undefined {
    if (typeof signal === 'string') return this.#host.signalNumber(signal) === undefined ? undefined : signal
    return this.#host.signalName(signal)
  }
}

/** Whether a signal to this target reaches this process: itself, its group, or the number of the group it leads. */
function isThisProcess (target: number): boolean {
  return [process.pid, 0, -process.pid].includes(target)
}

/** Replaces a method, and answers what brings it back. One that somebody else has replaced since stays. */
function patch<K extends 'kill' | 'emit'> (
  events: Host['events'],
  name: K,
  make: (original: Host['events'][K]) => Host['events'][K]
): () => void {
  const own = Object.hasOwn(events, name)
  const original = events[name]
  const patched = make(((...parameters: never[]) => Reflect.apply(original, events, parameters)) as Host['events'][K])
  events[name] = patched
  return () => {
    if (events[name] !== patched) return
    if (own) events[name] = original
    else delete (events as Partial<Host['events']>)[name]
  }
}

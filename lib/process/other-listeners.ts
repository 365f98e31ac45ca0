import { AsyncResource } from 'node:async_hooks'
import { EventEmitter, on, once } from 'node:events'
import type { Released } from '../lifecycle/driver.ts'
import type { Host } from './host.ts'
import { nameOf } from './listener-name.ts'
import { isOwn } from './shared.ts'
import { StartedWork } from './started-work.ts'

/** A listener of somebody else's. Node's own wrapper of `once`, and ours, tell by `listener` what they stand for. */
type Foreign = ((...parameters: unknown[]) => unknown) & { listener?: Function }

/** A call of `process.exit`, by whatever name; the mere word, as in signal-exit's `emit('exit', …)`, ends nothing. */
const callsExit = /\b(?:exit|reallyExit)\s*\(/

/** A signal that others have not heard of yet. */
interface Pending {
  /** The context in which Node would have called them. */
  context: AsyncResource
  /** Those who heard of it before they could be held back. */
  heard: ReadonlySet<unknown>
}

/**
 * Listeners of others on the signals that end the service. Each is replaced by a function that stands
 * for it and does nothing while the service drains, so what `process.listeners`, `listenerCount`, `off`
 * and `removeAllListeners` say and do stays true; to others the signal seems to come when the drain is
 * over. Our own listener stays in place meanwhile, so that Node never stops listening for the signal.
 */
export class OtherListeners {
  readonly #host: Host
  /** What is told when a signal has come that others are to hear of. */
  readonly #noted: () => void
  /** Whether somebody in this process raises the signal that comes now. */
  readonly #isRaised: (signal: string) => boolean
  readonly #signals = new Set<string>()
  /** Those that stand for a listener, and which one. */
  readonly #standing = new WeakMap<Function, Foreign>()
  readonly #pending = new Map<string, Pending>()
  /** What those that were called have started, and did not say when it is over. */
  readonly work: StartedWork = new StartedWork()
  /** What was called already, each once for all signals of an end. */
  readonly #called = new Set<unknown>()
  #isReleased = false
  #mayExit = false
  #isReplacing = false
  #restoreEmit: (() => void) | undefined

  constructor (host: Host, { noted, isRaised }: { noted: () => void, isRaised: (signal: string) => boolean }) {
    this.#host = host
    this.#noted = noted
    this.#isRaised = isRaised
  }

  /** Whether a signal has come that others have not heard of. */
  get pending (): boolean { return this.#pending.size > 0 }
  /** Whether others have heard of the signal that ends the service. */
  get released (): boolean { return this.#isReleased }

  /**
   * Whether one that was called did not say when it is over, and may yet end the process: it is written to, or nobody
   * knows what it does, as its code is behind an `await` of `events.once`.
   */
  get mayExit (): boolean { return this.#mayExit }

  /** Holds back the listeners of these signals and of no others. Our own listener must be there before and after. */
  update (wanted: ReadonlySet<string>): void {
    const wasHolding = this.#signals.size > 0
    for (const signal of this.#signals) {
      if (wanted.has(signal)) continue
      this.#signals.delete(signal)
      this.#replace(signal, (listener) => this.#standing.get(listener) ?? listener)
    }
    for (const signal of wanted) this.#signals.add(signal)
    const isHolding = this.#signals.size > 0
    if (isHolding && !wasHolding) this.#host.events.on('newListener', this.#onNew)
    if (wasHolding && !isHolding) this.#host.events.off('newListener', this.#onNew)
    this.#holdAll()
  }

  /** A signal has come, or an order that stands for one. `heard`: who got it before anybody could be held back. */
  note (signal: string, heard: readonly unknown[] = []): void {
    if (!this.#signals.has(signal) || this.#pending.has(signal)) return
    this.#pending.set(signal, { context: new AsyncResource('fastify-graceful.signal'), heard: new Set(heard) })
    // Whether it is time already is known when the applications have heard of it.
    queueMicrotask(this.#noted)
  }

  /** Calls all who were held back, in their order, and names those whose work is not over with the call. */
  release (): Released[] {
    this.#isReleased = true
    this.#holdAll()
    const pending = [...this.#pending]
    this.#pending.clear()
    return pending.flatMap(([signal, { context, heard }]) => this.#foreign(signal)
      .filter((listener) => !heard.has(this.#originalOf(listener)) && !this.#called.has(this.#originalOf(listener)))
      .flatMap((listener) => this.#call(signal, listener, context)))
  }

  /** The end is over: the next signal is a first one. */
  reset (): void {
    this.#isReleased = this.#mayExit = false
    this.work.stop()
    this.#pending.clear()
    this.#called.clear()
  }

  readonly #onNew = (event: string): void => {
    if (!this.#signals.has(event) || this.#isReplacing || this.#restoreEmit !== undefined) return
    // It is added after this. A real signal comes with the event loop, so later; one that somebody
    // emits at once finds it held back.
    const { events } = this.#host
    const own = Object.hasOwn(events, 'emit')
    const { emit } = events
    const holdFirst: typeof emit = (...parameters) => {
      this.#holdAll()
      return Reflect.apply(emit, events, parameters)
    }
    events.emit = holdFirst
    this.#restoreEmit = () => {
      if (events.emit !== holdFirst) return
      if (own) events.emit = emit
      else delete (events as { emit?: unknown }).emit
    }
    process.nextTick(() => this.#holdAll())
  }

  #holdAll (): void {
    this.#restoreEmit?.()
    this.#restoreEmit = undefined
    for (const signal of this.#signals) {
      this.#replace(signal, (listener) => this.#standing.has(listener) ? listener : this.#standIn(signal, listener))
    }
  }

  #standIn (signal: string, original: Foreign): Foreign {
    const standIn: Foreign = Object.assign((...parameters: unknown[]) => this.#onSignal(signal, standIn, parameters), {
      listener: original.listener ?? original
    })
    this.#standing.set(standIn, original)
    return standIn
  }

  #onSignal (signal: string, standIn: Foreign, parameters: unknown[]): unknown {
    // Whoever listens for us notes it; others hear of it when it is their turn.
    if (this.#signals.has(signal) && !this.#isReleased) return undefined
    if (this.#isRaised(signal) && this.#called.has(this.#originalOf(standIn))) return undefined
    return this.#run(signal, standIn, parameters)
  }

  #call (signal: string, listener: Foreign, context: AsyncResource): Released[] {
    const name = `listener of ${signal} ${nameOf(this.#originalOf(listener))}`
    this.#called.add(this.#originalOf(listener))
    try {
      const settled = this.work.follow(context, () =>
        this.#run(signal, listener, [signal, this.#host.signalNumber(signal)])
      )
      if (isThenable(settled)) return [{ name, settled }]
      const source = sourceOf(this.#originalOf(listener))
      this.#mayExit ||= callsExit.test(source) || awaiting().has(source)
      return []
    } catch (error) {
      return [{ name, settled: Promise.reject(error) }]
    }
  }

  #run (signal: string, listener: Foreign, parameters: unknown[]): unknown {
    const { events } = this.#host
    const original = this.#standing.get(listener) ?? listener
    // What Node makes of a listener of `once` looks for itself where we stand.
    if (isOnce(original)) events.off(signal, listener)
    return Reflect.apply(original, events, parameters)
  }

  #originalOf (listener: Foreign): Function {
    return listener.listener ?? listener
  }

  /**
   * Who hides from `process.listeners`, as the relay of tsx does, is part of how the program was started, and hears of
   * a signal at once: tsx kills a process that does not tell it within 60 ms that the signal has come.
   */
  #foreign (signal: string): Foreign[] {
    const { events } = this.#host
    const shown = new Set(events.listeners(signal))
    return (events.rawListeners(signal) as Foreign[]).filter((listener) => {
      const original = this.#originalOf(listener)
      return shown.has(original) && !isOwn(original)
    })
  }

  /** Replaces listeners of others in their order: all from the first that changes on are removed and added again. */
  #replace (signal: string, replacement: (listener: Foreign) => Foreign): void {
    const { events } = this.#host
    const before = this.#foreign(signal)
    const after = before.map(replacement)
    const first = before.findIndex((listener, index) => listener !== after[index])
    if (first === -1) return
    this.#isReplacing = true
    const most = events.getMaxListeners()
    // Node has warned of them already.
    const areTooMany = most > 0 && events.listeners(signal).length > most
    if (areTooMany) events.setMaxListeners(0)
    try {
      // The last first: of two that are equal, the later one is found.
      for (const listener of before.slice(first).toReversed()) events.off(signal, listener)
      for (const listener of after.slice(first)) events.on(signal, listener)
    } finally {
      if (areTooMany) events.setMaxListeners(most)
      this.#isReplacing = false
    }
  }
}

/** Whether Node has made this of a listener that was added with `once`. */
function isOnce (listener: Foreign): boolean {
  return listener.listener !== undefined && listener.name === onceName()
}

/** The name of what this Node makes of a listener that is added with `once`. */
function onceName (): string {
  const [wrapper] = new EventEmitter().once('event', () => {}).rawListeners('event')
  return wrapper!.name
}

/** The sources of the listeners that this Node's `events.once` and `events.on` add for who awaits an event. */
function awaiting (): Set<string> {
  const probe = new EventEmitter()
  void once(probe, 'event')
  on(probe, 'event')
  return new Set(probe.listeners('event').map(sourceOf))
}

function sourceOf (listener: Function): string {
  return Function.prototype.toString.call(listener)
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

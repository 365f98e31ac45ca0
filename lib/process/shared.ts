import type { MemberOptions, Membership } from './types.ts'

/** A signal, and when it came on the clock of `performance.now()`. */
export interface ReceivedSignal {
  signal: string
  at: number
  /** Who else got it at once. */
  heard?: readonly unknown[]
}

/** What the early listeners offer the registry. */
export interface EarlySignals {
  /** The listeners that stay for the life of the process, by signal. */
  readonly listeners: ReadonlyMap<string, () => void>
  /** The first signal that came while nobody was there to take it. */
  first: ReceivedSignal | undefined
  /** Hands it over: from now on the caller is responsible for the end of the process. */
  take (): ReceivedSignal | undefined
}

/** What one copy of the package needs of another copy's registry. */
export interface SharedRegistry {
  join (options: MemberOptions): Membership
  /** Whether some member acts on this signal. */
  handles (signal: string): boolean
  /** How many applications are registered. */
  readonly size: number
}

/**
 * What all copies of the package in one process share. `exiting` is set by whoever of us calls `process.exit`, so that the
 * exit is not blamed on somebody else.
 */
export interface SharedState {
  readonly version: 1
  early: EarlySignals | undefined
  registry: SharedRegistry | undefined
  exiting: boolean
  /** The guardian of the process, as `lib/guardian` knows it. */
  guardian?: object | undefined
  /** What keeps `process.nextTick` fast: see `holdTick`. */
  tick?: object | undefined
}

/** Where the shared state lives on `globalThis`. */
export const sharedKey: unique symbol = Symbol.for('fastify-graceful.process')

const fresh = (): SharedState => ({ version: 1, early: undefined, registry: undefined, exiting: false })

/** A copy whose shape differs shares nothing; it still works, with listeners of its own. */
let unshared: SharedState | undefined

/** The state that is shared by all copies of the package in this thread. */
export function sharedState (): SharedState {
  const holder = globalThis as { [sharedKey]?: SharedState }
  const state = holder[sharedKey] ??= fresh()
  return state.version === 1 ? state : unshared ??= fresh()
}

const ownKey: unique symbol = Symbol.for('fastify-graceful.listener')

/** Marks a listener of a signal as ours, whichever copy of the package it belongs to. */
export function markOwn<T extends (...parameters: never[]) => void> (listener: T): T {
  return Object.assign(listener, { [ownKey]: true })
}

/** Whether a listener is ours. */
export function isOwn (listener: unknown): boolean {
  return typeof listener === 'function' && ownKey in listener
}

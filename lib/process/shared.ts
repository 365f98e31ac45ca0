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
 * The shape of all that copies of the package call of each other: the state, the registry, its members,
 * the early listeners and the watchdog. Each change of that shape raises it; a test pins the shape.
 */
export const sharedVersion = 6

/**
 * What all copies of the package in one process share. `exiting` is set by whoever of us calls
 * `process.exit`, so that the exit is not blamed on somebody else.
 */
export interface SharedState {
  readonly version: typeof sharedVersion
  early: EarlySignals | undefined
  registry: SharedRegistry | undefined
  exiting: boolean
  /** The watchdog of the process, as `lib/watchdog` knows it. */
  watchdog?: object | undefined
  /** Its applications, as `lib/platform/systemd` knows them. */
  systemd?: object | undefined
  /** What keeps `process.nextTick` fast: see `holdTick`. */
  tick?: object | undefined
}

/** Where the shared state lives on `globalThis`. */
const sharedKey: unique symbol = Symbol.for('fastify-graceful.process')

/** Where it lives for the copies that have met a state of another shape there. */
const ownShapeKey: unique symbol = Symbol.for(`fastify-graceful.process.${sharedVersion}`)

/** An expression for the state, for who evaluates it in another thread; undefined where there is none. */
export const sharedExpression: string = "[globalThis[Symbol.for('fastify-graceful.process')], "
  + `globalThis[Symbol.for('${ownShapeKey.description}')]].find((state) => state?.version === ${sharedVersion})`

const fresh = (): SharedState => ({ version: sharedVersion, early: undefined, registry: undefined, exiting: false })

/**
 * The state that is shared by all copies of the package in this thread whose shape is the same. Copies of another
 * shape have a state and listeners of their own, so that nobody calls a method that the other does not have.
 */
export function sharedState (): SharedState {
  const holder = globalThis as { [sharedKey]?: SharedState, [ownShapeKey]?: SharedState }
  const state = holder[sharedKey] ??= fresh()
  return state.version === sharedVersion ? state : holder[ownShapeKey] ??= fresh()
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

import type { FastifyInstance } from 'fastify'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { otherServersOf, stateOf } from './internals.ts'
import { messageOf } from '../errors.ts'
import { clearTimeout, setImmediate, setTimeout } from '../util/timers.ts'
import type { Timer } from '../util/timers.ts'

/** Milliseconds that the rest of `app.close()` gets after an uncaught exception during it. */
const graceAfterUncaught = 500

type Close = (this: FastifyInstance, callback?: (...args: unknown[]) => void) => unknown

/** What {@link wrapClose} needs. */
export interface ClosePorts {
  lifecycle: Lifecycle
  /** Replaces the call of `app.close()`. */
  closeWith: (() => unknown) | undefined
  /** Whether a close from outside announces the end first. */
  announce: boolean
  /** Whether somebody waits for the next start. */
  isFast: boolean
  /** Tells of uncaught exceptions while it runs; the answer stops it. */
  onUncaught: (listener: (error: unknown) => void) => () => void
}

/** Phase 4, and the wrapped `close`. */
export interface WrappedClose {
  /** Closes the application for good, once. */
  end (): Promise<void>
  /**
   * Whether hooks into the close are yet to run, which may wait for a server: phase 3 runs them, a plain close phase 2.
   * Nobody else that an end waits for does.
   */
  isAhead (): boolean
  /** What runs in place of Fastify's close: `closeWith`, or what somebody has put over `close`. */
  replacement (): string | undefined
}

/**
 * Wraps `close` of the root instance, so that whoever calls it (a framework, a library's signal handler, `await using`,
 * `listen({ signal })`) joins the phases instead of opening Fastify's window of 503 answers.
 */
export function wrapClose (
  root: FastifyInstance,
  { lifecycle, closeWith, announce, isFast, onUncaught }: ClosePorts
): WrappedClose {
  const original = root.close as unknown as Close
  let ending: Promise<void> | undefined
  /**
   * Somebody has called `close` from outside and waits: a framework in the midst of its own close,
   * which must not be called again.
   */
  let joined = false
  let replacement: string | undefined
  let hasBegun = false
  let settle: { resolve: (value: unknown) => void } | undefined
  // Settles as Fastify's own close does, also when the budget for it is long over.
  const closed = new Promise<unknown>((resolve) => { settle = { resolve } })
  const callOriginal = (): Promise<unknown> => {
    const result = Promise.resolve(original.call(root))
    settle?.resolve(result)
    return result
  }

  const ours = function close (this: FastifyInstance, callback?: (...args: unknown[]) => void) {
    // Fastify refuses what is no function.
    if (callback && typeof callback !== 'function') return original.call(this, callback)
    const isLast = lifecycle.phase === 'terminated'
    if (isLast && lifecycle.awaitClose()) {
      const result = original.call(this, callback)
      if (callback === undefined) settle?.resolve(result)
      return result
    }
    joined = true
    if (!isLast) void lifecycle.shutdown({ kind: 'close', reason: 'app.close()', announce, isFast })
    // Whoever waits for the close may exit next: the report is written first. In phase 4 the report
    // may wait for the caller.
    const over = isLast ? Promise.allSettled([closed]).then(nextTurn) : Promise.allSettled([closed, lifecycle.done])
    const reported = over.then(() => closed)
    if (callback === undefined) return reported.then(() => undefined)
    void reported.then(() => { original.call(this, callback) }, (error: unknown) => {
      // As Fastify gives it: two parameters are the error and what is to be called at the end.
      if (callback.length === 2) callback(error, () => {})
      else callback(error, this, () => {})
    })
    return this
  } as FastifyInstance['close']
  root.close = ours

  const end = (): Promise<void> => ending ??= (async () => {
    hasBegun = true
    const { promise, stop } = uncaught(onUncaught)
    // What somebody has put over ours since is called as by whoever closes the application: it closes what is theirs.
    const over = closeWith ?? (root.close === ours ? undefined : () => root.close())
    const isCalled = over !== undefined && !joined
    if (isCalled) replacement = over === closeWith ? "option 'closeWith'" : 'what replaces app.close'
    const work = !isCalled ? callOriginal() : replaced(over, () => {
      replacement = undefined
      return callOriginal()
    })
    closed.catch(() => {})
    try {
      await Promise.race([work, promise])
    } finally {
      stop()
    }
  })()
  return { end, isAhead: () => isAhead(lifecycle, hasBegun), replacement: () => replacement }
}

function isAhead ({ phase, request }: Lifecycle, hasBegun: boolean): boolean {
  if (request === undefined) return false
  if (phase === 'closing') return request.kind !== 'close'
  return phase === 'announcing' || (phase === 'terminated' && !hasBegun)
}

/** Whoever waits for the close may end the process next: that it is over has to be known by then. */
function nextTurn (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

/** What the replacement leaves open, or all where it fails, is closed here. */
async function replaced (closeWith: () => unknown, close: () => Promise<unknown>): Promise<void> {
  try {
    await closeWith()
  } finally {
    await close()
  }
}

/**
 * An onClose hook that throws synchronously leaves Fastify's close unsettled for ever; the uncaught exception is all
 * that is ever heard of it.
 */
function uncaught (onUncaught: ClosePorts['onUncaught']): { promise: Promise<never>, stop: () => void } {
  let timer: Timer | undefined
  let remove: (() => void) | undefined
  const promise = new Promise<never>((_resolve, reject) => {
    remove = onUncaught((error) => {
      timer ??= setTimeout(
        () => reject(new Error(`did not settle after an uncaught exception: ${messageOf(error)}`)),
        graceAfterUncaught
      )
    })
  })
  return {
    promise,
    stop () {
      clearTimeout(timer)
      remove?.()
    }
  }
}

/**
 * Stops boot: the application never listens. Fastify listens even after a `close` that came during boot; the flag that
 * `listen({ signal })` sets is its own way out, and lets `listen()` resolve. The callback form does not look at it.
 */
export function abortBoot (root: FastifyInstance): void {
  const state = stateOf(root)
  if (state !== undefined) state.aborted = true
  if (root.server.listening) return
  root.server.listen = function listen () { return root.server } as typeof root.server.listen
}

/** Whether the application has booted already. */
export function hasBooted (root: FastifyInstance): boolean {
  const state = stateOf(root)
  // `started` comes a tick after `await app.ready()`.
  return state?.started === true || state?.ready === true
}

/** The bound servers, the main one first: `localhost` binds a second one. */
export function boundServers (root: FastifyInstance): FastifyInstance['server'][] {
  return [root.server, ...otherServersOf(root)]
}

/** The root instance of the tree that an instance belongs to. */
export function rootOf (instance: FastifyInstance): FastifyInstance {
  let root = instance
  let parent = Object.getPrototypeOf(root) as FastifyInstance | null
  while (parent !== null && 'close' in parent) {
    root = parent
    parent = Object.getPrototypeOf(parent) as FastifyInstance | null
  }
  return root
}

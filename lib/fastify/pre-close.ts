import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { OnFailure, Stall } from '../lifecycle/participants.ts'
import { findWritten, packageOf, nameHook, pluginOf } from './hook-name.ts'
import { childrenOf, preCloseHooksOf } from './internals.ts'
import type { PreClose } from './internals.ts'

/** A `preClose` hook that is about to run. */
interface PreCloseHook {
  /** What it is called in the report; it may take a moment to find out. */
  name: () => string
  /** Calls it as Fastify does; settles when it is over. */
  run (): Promise<void>
}

/**
 * The hooks of `@fastify/websocket`: they close every WebSocket at once, without a code and whatever
 * it is doing, and the second one refuses those that are being opened. Where WebSockets are ended
 * one by one, both are left to the end; where the application ends them, they wait for its good-bye.
 */
const ofWebSocketPlugin: Readonly<Record<string, RegExp>> = {
  defaultPreClose: /\bwebsocketServer\b/,
  removeUpgradeListener: /\bremoveListener\(\s*['"]upgrade['"]/
}

/**
 * Whether what stands over `server.close` is that of `@fastify/http-proxy`: it closes its
 * WebSockets at once, whatever they wait for. Where they are ended one by one it comes last, too;
 * where the application ends them, after its good-bye.
 */
export function isOfWebSocketProxy (patch: Function): boolean {
  return /\bwss\.clients\b/.test(patch.toString())
}

/**
 * Takes the next `preClose` hook away from Fastify, in Fastify's order: those of an instance in the
 * order in which they were added, then those of its children. Fastify's own close then finds those
 * that are left, and runs each hook that was not taken.
 *
 * @param options `withWebSockets`: whether those of `@fastify/websocket` are taken, too
 * @returns undefined where there is none, or where this Fastify keeps its hooks elsewhere
 */
export function takePreClose (
  root: FastifyInstance,
  { withWebSockets }: { withWebSockets: boolean }
): PreCloseHook | undefined {
  for (const instance of treeOf(root)) {
    const hooks = preCloseHooksOf(instance)
    const index = hooks.findIndex((hook) =>
      withWebSockets || ofWebSocketPlugin[hook.name]?.test(hook.toString()) !== true
    )
    const [hook] = index < 0 ? [] : hooks.splice(index, 1)
    if (hook !== undefined) return { name: () => nameOf(hook, instance), run: () => call(hook, instance) }
  }
  return undefined
}

function nameOf (hook: PreClose, instance: FastifyInstance): string {
  const plugin = pluginOf(instance)
  if (hook.name !== '' || plugin !== undefined) return nameHook('preClose', hook.name, plugin, undefined)
  const place = findWritten([hook], 'func')[0]?.place
  return nameHook('preClose', '', packageOf(place), place)
}

/** An instance, then its children, each with its own. */
function * treeOf (instance: FastifyInstance): Generator<FastifyInstance> {
  yield instance
  for (const child of childrenOf(instance)) yield * treeOf(child)
}

function call (hook: PreClose, instance: FastifyInstance): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const settle = (error?: unknown): void => {
      if (error === undefined || error === null || error === false) resolve()
      else reject(error)
    }
    const answer = hook.length === 1 ? hook.call(instance, settle) : hook.call(instance)
    if (typeof (answer as PromiseLike<unknown> | undefined)?.then !== 'function') {
      if (hook.length !== 1) resolve()
      return
    }
    // What a promise resolves to is no error, though Fastify takes it for one.
    ;(answer as PromiseLike<unknown>).then(() => { if (hook.length !== 1) resolve() }, reject)
  })
}

/** How long a hook keeps the next one waiting at most, in milliseconds: bare Fastify's `pluginTimeout`. */
const longestTurn = 10_000

/** What {@link PreCloseRun} needs. */
export interface PreCloseRunParts {
  clock: Clock
  /** Takes the next hook; undefined where there is none. */
  next: () => PreCloseHook | undefined
  /** Milliseconds until the hooks are no longer waited for. */
  left: () => number
  onFailure: OnFailure
  /** A hook has settled. */
  onSettled: () => void
}

/**
 * Whether somebody who began `elapsed` milliseconds ago has kept others waiting long enough, where
 * `left` are left: half of the time at most.
 */
export function isTurnOver (elapsed: number, left: number): boolean {
  return elapsed >= Math.min(longestTurn, (elapsed + left) / 2)
}

interface Running { name: () => string, since: number }

/**
 * Others' hooks into the close, one after the other. One that lasts too long has the next one beside
 * it: a hook that hangs, or that waits for a client which only the next one ends, stops nobody.
 */
export class PreCloseRun {
  readonly #parts: PreCloseRunParts
  readonly #running = new Set<Running>()
  /** Whose turn it is. */
  #current: Running | undefined
  #state: 'not begun' | 'running' | 'over' = 'not begun'
  #since = 0

  constructor (parts: PreCloseRunParts) {
    this.#parts = parts
  }

  /** The first hook is called. A second call does nothing. */
  start (): void {
    if (this.#state !== 'not begun') return
    this.#state = 'running'
    this.#since = this.#parts.clock.now()
    this.#advance()
  }

  /** Hooks that had to wait for something else are called now. */
  resume (): void {
    if (this.#current === undefined) this.#advance()
  }

  /** No hook is started any more. */
  stop (): void {
    this.#state = 'over'
  }

  /** The hooks that run; the next one is started where that one's turn is over. */
  stalls (): Stall[] {
    if (this.#current !== undefined && this.#isOverdue(this.#current.since)) this.#advance()
    return [...this.#running].map(({ name }) => ({ name: name(), reason: 'is running' }))
  }

  /** Whether all have settled, or as much time is over as a single one may keep others waiting. */
  get isOthersTurn (): boolean {
    return this.#state !== 'running' || (this.#current === undefined && this.#running.size === 0)
      || this.#isOverdue(this.#since)
  }

  #isOverdue (since: number): boolean {
    const { clock, left } = this.#parts
    return isTurnOver(clock.now() - since, left())
  }

  #advance (): void {
    this.#current = undefined
    if (this.#state !== 'running') return
    const hook = this.#parts.next()
    if (hook !== undefined) this.#run(hook)
  }

  #run ({ name, run }: PreCloseHook): void {
    let known: string | undefined
    const nameOnce = (): string => known ??= name()
    const running: Running = { name: nameOnce, since: this.#parts.clock.now() }
    this.#running.add(running)
    this.#current = running
    const settle = (): void => {
      this.#running.delete(running)
      if (this.#current === running) this.#advance()
      this.#parts.onSettled()
    }
    run().then(settle, (error: unknown) => {
      this.#parts.onFailure({ name: nameOnce(), message: messageOf(error) }, error)
      settle()
    })
  }
}

import { createRequire } from 'node:module'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { missingOf } from './process-internals.ts'
import type { MissingPart } from './process-internals.ts'

/** As much of Fastify's own state as an end has to know. */
export interface FastifyState { aborted?: boolean, started?: boolean, ready?: boolean, listening?: boolean }

/** A `preClose` hook as Fastify keeps it. */
export type PreClose = (this: FastifyInstance, done?: (error?: unknown) => void) => unknown

/**
 * What Fastify keeps under symbols of these descriptions, which are not exported: parts that `npm run lint` refuses
 * anywhere else. All were there in Fastify 5.0.0 and in 5.12.
 *
 * - `fastify.state`: without it boot is stopped by a `listen` that does nothing
 * - `fastify.hooks`, `fastify.children`: without them `preClose` hooks are run by Fastify's own close, in phase 4
 * - `fastify.pluginNameChain`: without it the report names no plugins
 * - `fastify.options`: without it a server of `serverFactory` counts as Fastify's
 * - `fastify.serverBindings`: without it the second listener of `localhost` is closed by Fastify, in phase 4
 * - `fastify.Reply`: without it nobody looks at the start whether `fastify.reply.hijacked` is there, and the hook of
 *   requests stays in the way of each
 * - `fastify.context`: without it the hook of requests stays in the way of each
 */
interface FastifyParts {
  'fastify.state': FastifyState
  'fastify.hooks': { preClose?: PreClose[] }
  'fastify.children': FastifyInstance[]
  'fastify.pluginNameChain': string[]
  'fastify.options': { serverFactory?: unknown }
  'fastify.serverBindings': Array<FastifyInstance['server']>
  'fastify.Reply': { prototype: FastifyReply }
}

/** What Fastify keeps of a route, as far as it runs hooks: its own and inherited ones in their order, null for none. */
export interface RouteContext { onRequest: Array<(...given: never[]) => unknown> | null }

/** A private part of an instance, or the nearest one that it inherits; undefined where this Fastify has none. */
function partOf<Name extends keyof FastifyParts> (
  instance: FastifyInstance,
  description: Name
): FastifyParts[Name] | undefined {
  const symbol = symbolOf(instance, description)
  return symbol && (instance as unknown as Record<symbol, FastifyParts[Name]>)[symbol]
}

/** The symbol of this description that an object has, or inherits from the nearest one that has it. */
function symbolOf (object: object, description: string): symbol | undefined {
  for (let holder: object | null = object; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const symbol = Object.getOwnPropertySymbols(holder).find((candidate) => candidate.description === description)
    if (symbol !== undefined) return symbol
  }
  return undefined
}

/** Which parts a root instance does not have. */
export function missingOfFastify (root: FastifyInstance): MissingPart[] {
  const parts: Array<[part: keyof FastifyParts, instead: string]> = [
    ['fastify.state', 'boot is stopped by a listen that does nothing'],
    ['fastify.hooks', 'preClose hooks are run by Fastify, when draining is over'],
    ['fastify.children', 'preClose hooks of plugins are run by Fastify, when draining is over'],
    ['fastify.pluginNameChain', 'the report names no plugins'],
    ['fastify.options', 'a server of serverFactory counts as made by Fastify'],
    ['fastify.serverBindings', 'a second listener of localhost is closed by Fastify, when draining is over'],
    ['fastify.Reply', 'whether a handler that hijacks its reply is seen shows when it does; the hook of requests stays']
  ]
  const missing: MissingPart[] = parts.flatMap(([part, instead]) =>
    partOf(root, part) === undefined ? [{ part, instead }] : [])
  const replies = replyPrototypeOf(root)
  if (replies !== undefined && hijackMark(replies) === undefined) {
    missing.push({ part: 'fastify.reply.hijacked', instead: 'a handler whose client has left is not waited for' })
  }
  if (replies !== undefined && contextKey(root) === undefined) {
    missing.push({ part: 'fastify.context', instead: 'the hook of requests stays where it is' })
  }
  return missing
}

/** What the replies of an application inherit; those of encapsulated instances, too. */
export function replyPrototypeOf (root: FastifyInstance): FastifyReply | undefined {
  return partOf(root, 'fastify.Reply')?.prototype
}

/** Under which symbol a request, and a reply that has one, keeps its {@link RouteContext}. */
export function contextKey (root: FastifyInstance): symbol | undefined {
  const replies = replyPrototypeOf(root)
  return replies && symbolOf(replies, 'fastify.context')
}

/** The state of an application. */
export function stateOf (root: FastifyInstance): FastifyState | undefined {
  return partOf(root, 'fastify.state')
}

/** The `preClose` hooks of an instance, as Fastify's own close runs them. */
export function preCloseHooksOf (instance: FastifyInstance): PreClose[] {
  return partOf(instance, 'fastify.hooks')?.preClose ?? []
}

/** The instances that an instance encapsulates. */
export function childrenOf (instance: FastifyInstance): FastifyInstance[] {
  return partOf(instance, 'fastify.children') ?? []
}

/** What Fastify calls the plugin that an instance belongs to. */
export function pluginNameOf (instance: FastifyInstance): string | undefined {
  return partOf(instance, 'fastify.pluginNameChain')?.[0]
}

/** The servers beside the main one: `localhost` binds a second one. */
export function otherServersOf (root: FastifyInstance): Array<FastifyInstance['server']> {
  return partOf(root, 'fastify.serverBindings') ?? []
}

/** Whether boot is over, its `onReady` hooks included. */
export function isReady (root: FastifyInstance): boolean {
  return stateOf(root)?.ready === true
}

/** Whether Fastify's own close closes the server: not one of `serverFactory` that somebody else has made listen. */
export function closesServer (root: FastifyInstance): boolean {
  return partOf(root, 'fastify.options')?.serverFactory === undefined || stateOf(root)?.listening !== false
}

/**
 * The property that `hijack()` sets. Its symbol is not exported, and not every reply has it from the start.
 *
 * Part: `fastify.reply.hijacked`. Without it a handler whose client has left is not waited for.
 */
export function hijackMark (reply: FastifyReply): symbol | undefined {
  const marked = {}
  try {
    reply.hijack.call(marked as FastifyReply)
  } catch {
    // It does something else by now; its mark is what counts.
  }
  return Object.getOwnPropertySymbols(marked).find(({ description }) => description === 'fastify.reply.hijacked')
}

type Hook = (...args: unknown[]) => unknown

/**
 * As much of avvio, which boots and closes an application, as naming needs. Without its private parts the report names
 * fewer hooks; what runs, and when, does not depend on them.
 */
export interface Avvio {
  /** The plugins that are being loaded, the innermost first. Part: `_current`. */
  _current?: Array<{ name?: string, isAfter?: boolean }>
  /** What the close runs, in its order. Part: `_closeQ`. */
  _closeQ?: { getQueue?: () => Hook[] }
}
/** What was missing of the avvio that was caught last: there is one for all applications, but for copies. */
let missing: MissingPart[] = []

interface Boot { prototype?: { onClose?: (this: Avvio, hook: unknown) => unknown } }

/**
 * Calls `addHook`, which adds an `onClose` hook, and answers the avvio of that application: Fastify
 * shows it to nobody. Undefined where avvio is part of a bundle, or another one.
 */
export function catchAvvio (addHook: () => void): Avvio | undefined {
  const caught: Avvio[] = []
  const restore = bootsOfProcess().map(({ prototype }) => {
    const original = prototype?.onClose
    if (prototype === undefined || original === undefined) return () => {}
    prototype.onClose = function onClose (this: Avvio, hook) {
      caught.push(this)
      return original.call(this, hook)
    }
    return () => { prototype.onClose = original }
  })
  try {
    addHook()
  } finally {
    for (const each of restore) each()
  }
  const [avvio] = caught
  if (avvio !== undefined) lookAt(avvio)
  return avvio
}

/** Which parts the avvio of an application does not have: none where nobody has caught it, as in a bundle. */
export function missingOfAvvio (): MissingPart[] {
  return missing
}

/** Looks for the parts, where one hook at least waits: the one that avvio was caught with. */
function lookAt (avvio: Avvio): void {
  const { _current: current, _closeQ: queue } = avvio
  const isQueued = typeof queue?.getQueue === 'function'
  missing = missingOf([
    ['_current', Array.isArray(current), 'the report names no plugin that boots'],
    ['_closeQ', isQueued, 'the report does not name hooks that were there before the plugin'],
    ['isOnCloseHandler', !isQueued || waitingHooks(avvio).length > 0,
      'the report does not name hooks that were there before the plugin']
  ])
}

/** Every copy of avvio that was loaded. */
function bootsOfProcess (): Boot[] {
  const { cache } = createRequire(process.execPath)
  return Object.keys(cache ?? {})
    .filter((file) => /[\\/]avvio[\\/](?:boot|index)\.js$/.test(file))
    .map((file) => cache[file]?.exports as Boot)
}

/** The `onClose` hooks that have not begun, in the order in which they run. Part: `isOnCloseHandler`. */
export function waitingHooks ({ _closeQ: queue }: Avvio): Hook[] {
  return (queue?.getQueue?.() ?? []).filter((hook) =>
    Object.getOwnPropertySymbols(hook).some(({ description }) => description === 'isOnCloseHandler')
  )
}

/** The plugin that is being loaded, by its name; undefined where it is the application itself. */
export function loadingPlugin ({ _current: current = [] }: Avvio): string | undefined {
  const plugin = current.slice(0, -1).find(({ isAfter }) => isAfter !== true)
  return plugin?.name
}

/** What an instance calls its `onClose` with. */
export type OnClose = (this: FastifyInstance, hook: Hook) => FastifyInstance

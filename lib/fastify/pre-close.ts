import type { FastifyInstance } from 'fastify'
import { childrenOf, preCloseHooksOf } from './internals.ts'
import type { PreClose } from './internals.ts'
import { nameHook, pluginOf } from './hook-name.ts'
import { findWritten, packageOf } from '../process/place.ts'

/** A `preClose` hook that is about to run. */
export interface PreCloseHook {
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

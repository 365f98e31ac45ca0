import { createRequire } from 'node:module'
import type { FastifyInstance } from 'fastify'
import { missingOf } from './process-internals.ts'
import type { MissingPart } from './process-internals.ts'

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

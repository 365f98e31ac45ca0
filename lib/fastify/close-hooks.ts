import type { FastifyInstance } from 'fastify'
import { catchAvvio, loadingPlugin, waitingHooks, isReady } from './internals.ts'
import type { Avvio, OnClose } from './internals.ts'
import { nameHook, nameOfPlugin, pluginOf, findWritten, packageOf, placeOf } from './hook-name.ts'

type Hook = Parameters<OnClose>[0]

/** A hook that was added after us. */
interface Entry {
  hasBegun: boolean
  /** Whether it is somebody's: neither ours nor Fastify's. */
  isOthers: boolean
  name: () => string
}

/** The first thing that Fastify's close does is a hook of its own. */
const fastifysOwn = "Fastify's own close (preClose hooks, server.close)"
/** How long a hook runs before it is worth the time to find out who wrote it, in milliseconds. */
const worthALook = 250

/**
 * Knows which `onClose` hook runs, and which have not. Hooks are called as they would be without
 * us: the same order, `this`, parameters and answer. Those that were added before us are known by
 * the place that they have in avvio's queue.
 */
export class CloseHooks {
  readonly #root: FastifyInstance
  readonly #entries: Entry[] = []
  #avvio: Avvio | undefined
  /** The hooks that were there before us, in the order in which they run. */
  #earlier: Hook[] = []
  #earlierNames: string[] | undefined
  /** The one of those who came after us that began last. */
  #last: Entry | undefined
  /** The place of the earlier hook that was seen last, and since when. */
  #seen: { index: number, since: number } | undefined

  constructor (root: FastifyInstance) {
    this.#root = root
  }

  /** From now on hooks are followed; `addOwn` adds our own, the first of them. */
  follow (addOwn: () => void): void {
    const root = this.#root as unknown as { onClose: OnClose }
    const original = root.onClose
    const follow = (hook: Hook, instance: FastifyInstance): Hook => this.#follow(hook, instance, stackAbove(onClose))
    root.onClose = onClose
    function onClose (this: FastifyInstance, hook: Hook): FastifyInstance {
      return original.call(this, typeof hook === 'function' ? follow(hook, this) : hook)
    }
    this.#avvio = catchAvvio(addOwn)
    // Behind our own.
    this.#earlier = this.#avvio === undefined ? [] : waitingHooks(this.#avvio).slice(1)
  }

  /**
   * What the close waits for now; undefined where it has not begun, or is over.
   *
   * @param isLast whether it is asked for the last time, and may take a moment
   */
  running (isLast: boolean): string | undefined {
    if (!isReady(this.#root) && this.#last === undefined) return this.#boot()
    const index = this.#earlierIndex()
    return index === undefined ? this.#last?.name() : this.#nameEarlier(index, isLast)
  }

  /** The hooks that have not begun, in the order in which they would run. */
  waiting (): string[] {
    const later = this.#entries.filter(({ hasBegun, isOthers }) => isOthers && !hasBegun).toReversed()
    const earlier = this.#avvio === undefined ? 0 : Math.min(this.#earlier.length, waitingHooks(this.#avvio).length)
    return [...later.map(({ name }) => name()), ...earlier === 0 ? [] : this.#findEarlier().slice(-earlier)]
  }

  #follow (hook: Hook, instance: FastifyInstance, stack: string): Hook {
    const plugin = pluginOf(instance) ?? nameOfPlugin(this.#avvio && loadingPlugin(this.#avvio))
    let known: string | undefined
    const isFastifys = isFastifysOwn(hook, stack)
    const entry: Entry = {
      hasBegun: false,
      isOthers: !isFastifys && this.#entries.length > 0,
      name: () => known ??= isFastifys ? fastifysOwn : nameLater(hook.name, plugin, stack)
    }
    this.#entries.push(entry)
    const begin = (): void => {
      entry.hasBegun = true
      this.#last = entry
    }
    const followed = function (this: unknown, ...parameters: unknown[]): unknown {
      begin()
      return Reflect.apply(hook, this, parameters)
    }
    // avvio calls a hook by the number of its parameters.
    return Object.defineProperties(followed, { length: { value: hook.length }, name: { value: hook.name } })
  }

  #boot (): string {
    const plugin = this.#avvio && loadingPlugin(this.#avvio)
    return plugin === undefined ? 'boot' : `boot, plugin '${plugin}'`
  }

  /** Which of the earlier ones runs; undefined where it is not their turn. */
  #earlierIndex (): number | undefined {
    if (this.#last !== this.#entries[0] || this.#avvio === undefined || this.#earlier.length === 0) return undefined
    const index = this.#earlier.length - waitingHooks(this.#avvio).length - 1
    return index < 0 ? undefined : index
  }

  #nameEarlier (index: number, isLast: boolean): string {
    const now = performance.now()
    if (this.#seen?.index !== index) this.#seen = { index, since: now }
    const isWorth = isLast || this.#earlierNames !== undefined || now - this.#seen.since >= worthALook
    return (isWorth ? this.#findEarlier()[index] : undefined)
      ?? 'an onClose hook that was added before fastify-graceful'
  }

  #findEarlier (): string[] {
    return this.#earlierNames ??= findWritten(this.#earlier, 'func').map(({ name, place }) =>
      nameHook('onClose', name, packageOf(place), place)
    )
  }
}

/** Whether Fastify itself adds the hook: it has no name, and is not bound as those of `addHook` are. */
function isFastifysOwn ({ name }: Hook, stack: string): boolean {
  const [, caller] = stack.split('\n')
  return name === '' && caller !== undefined && /[\\/]node_modules[\\/]fastify[\\/]fastify\.js/.test(caller)
}

/** Who has called a function, the innermost first. Where all is one bundle, our own file is that of the caller, too. */
function stackAbove (called: Function): string {
  const holder = { stack: '' }
  Error.captureStackTrace(holder, called)
  return holder.stack
}

function nameLater (name: string, plugin: string | undefined, stack: string): string {
  const place = placeOf(stack)
  return nameHook('onClose', name, plugin ?? packageOf(place), place)
}

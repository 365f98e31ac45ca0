import type { FastifyInstance } from 'fastify'
import { pluginNameOf } from './internals.ts'

/** What Fastify calls a plugin that has no name: the first lines of its source. */
const isSource = /[\s(){}=]/

/**
 * What a hook of the application is called in logs and in the report: by its function and its
 * plugin, and by the place where it comes from, where it has neither.
 *
 * @param name the function's
 */
export function nameHook (kind: string, name: string, plugin: string | undefined, place: string | undefined): string {
  const own = name.replace(/^(bound )+/, '')
  const of = plugin === undefined ? '' : ` of plugin '${plugin}'`
  if (own !== '') return `${kind} hook '${own}'${of}`
  return `${kind} hook${of}${place === undefined ? of === '' ? ' without a name' : '' : ` at ${place}`}`
}

/** The plugin that an encapsulated instance belongs to; undefined for the root, and for one without a name. */
export function pluginOf (instance: FastifyInstance): string | undefined {
  if (Object.getPrototypeOf(Object.getPrototypeOf(instance)) === null) return undefined
  return nameOfPlugin(pluginNameOf(instance))
}

/** A plugin's name, where it is one. */
export function nameOfPlugin (name: string | undefined): string | undefined {
  return name === undefined || name === '' || isSource.test(name) ? undefined : name
}

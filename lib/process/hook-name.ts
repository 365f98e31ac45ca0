import type { FastifyInstance } from 'fastify'
import { partOf } from './fastify-parts.ts'

/** What Fastify calls a plugin that has no name: the first lines of its source. */
const isSource = /[\s(){}=]/

/**
 * What a hook of the application is called in logs and in the report: by its function and its plugin, and by the place where it comes
 * from, where it has neither.
 *
 * @param where finds the place, for example `/app/server.js:12`
 */
export function hookName (kind: string, hook: Function, instance: FastifyInstance, where: () => string | undefined = () => undefined): string {
  const own = hook.name.replace(/^(bound )+/, '')
  const plugin = pluginOf(instance)
  const name = `${kind} hook${own === '' ? '' : ` '${own}'`}${plugin === undefined ? '' : ` of plugin '${plugin}'`}`
  if (own !== '' || plugin !== undefined) return name
  const place = where()
  return place === undefined ? `${name} without a name` : `${name} at ${place}`
}

/** The plugin that an encapsulated instance belongs to; undefined for the root, and for one without a name. */
function pluginOf (instance: FastifyInstance): string | undefined {
  if (Object.getPrototypeOf(Object.getPrototypeOf(instance)) === null) return undefined
  const [name] = partOf(instance, 'fastify.pluginNameChain') ?? []
  return name === undefined || name === '' || isSource.test(name) ? undefined : name
}

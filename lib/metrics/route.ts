import type { FastifyInstance } from 'fastify'
import { Coalesced } from '../util/promises.ts'
import { registerQuiet } from '../fastify/quiet-route.ts'
import type { MetricsRegistry } from './options.ts'

/**
 * Registers the route that serves a registry, for GET and HEAD.
 *
 * @param root the root instance: the prefix of a plugin does not apply
 * @param routeConfig the route's `config`, which exempts it from what meets ordinary traffic
 */
export function registerMetrics (
  root: FastifyInstance,
  path: string,
  registry: MetricsRegistry,
  routeConfig: object
): void {
  const rendering = new Coalesced(async () => Buffer.from(await registry.metrics()))
  registerQuiet(root, path, routeConfig, async (_request, reply) => {
    const text = await rendering.ask()
    return reply
      .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      .type(registry.contentType)
      .send(text)
  })
}

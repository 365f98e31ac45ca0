import type { FastifyInstance, HTTPMethods, RouteHandlerMethod } from 'fastify'
import { hidden } from './hidden.ts'

/**
 * Registers a route that machines ask again and again, for GET and HEAD: it is neither logged nor
 * part of the application's API.
 *
 * @param root the root instance: the prefix of a plugin does not apply
 * @param routeConfig the route's `config`, which exempts it from what meets ordinary traffic
 * @param others methods that are answered in the same way
 */
export function registerQuiet (
  root: FastifyInstance,
  url: string,
  routeConfig: object,
  handler: RouteHandlerMethod,
  others: readonly HTTPMethods[] = []
): void {
  root.route({
    // One route for both: the application may have switched Fastify's own HEAD routes off.
    method: ['GET', 'HEAD', ...others],
    url,
    config: { ...routeConfig },
    schema: hidden(),
    logLevel: 'silent',
    handler
  })
}

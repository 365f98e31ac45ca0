import type { FastifyInstance, HTTPMethods, RouteHandlerMethod, FastifySchema, FastifyReply } from 'fastify'

/** The schema of a route outside the application's API: `@fastify/swagger`, which declares the property, skips it. */
export function hidden (): FastifySchema {
  const schema: object = { hide: true }
  return schema
}

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

/** An answer in JSON. Written here, so that serializers of the application do not change its shape. */
export function send (reply: FastifyReply, statusCode: number, body: object): FastifyReply {
  reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  return reply.code(statusCode).type('application/json; charset=utf-8').send(JSON.stringify(body))
}

/** What a refusal says. */
export function problem (statusCode: number, error: string, message: string): object {
  return { statusCode, error, message }
}

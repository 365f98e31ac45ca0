import type { FastifySchema } from 'fastify'

/** The schema of a route outside the application's API: `@fastify/swagger`, which declares the property, skips it. */
export function hidden (): FastifySchema {
  const schema: object = { hide: true }
  return schema
}

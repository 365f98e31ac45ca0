import type { FastifySchema } from 'fastify'

/** The schema of a route that is no part of the application's API: `@fastify/swagger`, which declares the property, leaves it out. */
export function hidden (): FastifySchema {
  const schema: object = { hide: true }
  return schema
}

// The service as a plugin for fastify-cli.
import { routes, settings } from '../hosted.js'

export const options = { logger: settings().logger }

export default async function app (fastify, _options) {
  await fastify.register(await routes())
}

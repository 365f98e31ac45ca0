import type { FastifyReply } from 'fastify'

/** An answer in JSON. Written here, so that serializers of the application do not change its shape. */
export function send (reply: FastifyReply, statusCode: number, body: object): FastifyReply {
  reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  return reply.code(statusCode).type('application/json; charset=utf-8').send(JSON.stringify(body))
}

/** What a refusal says. */
export function problem (statusCode: number, error: string, message: string): object {
  return { statusCode, error, message }
}

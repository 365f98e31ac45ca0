// What a process may have done before the application that is measured: it has served another one, with hooks,
// parameters, a body, a schema and a 404, to a client of its own. Node's and Fastify's functions have then met
// objects of other shapes.
import Fastify from 'fastify'
import { once } from 'node:events'
import { request } from 'node:http'

const calls = [['GET', '/'], ['GET', '/items/3'], ['POST', '/items', '{"a":1}'], ['GET', '/text'], ['GET', '/nowhere']]

export async function liveEarlier () {
  const app = Fastify()
  app.addHook('onRequest', (request, reply, done) => done())
  app.addHook('onResponse', async () => {})
  const schema = { response: { 200: { type: 'object', properties: { id: { type: 'string' } } } } }
  app.get('/', async () => ({ hello: 'world' }))
  app.get('/items/:id', { schema }, async ({ params }) => ({ id: params.id }))
  app.post('/items', (request, reply) => { reply.code(201).header('location', '/items/1').send(request.body) })
  app.get('/text', (request, reply) => { reply.type('text/plain').send('hello') })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address()
  for (let round = 0; round < 200; round++) {
    for (const [method, path, body] of calls) {
      const headers = body && { 'content-type': 'application/json', 'content-length': body.length }
      const [response] = await once(request({ port, host: '127.0.0.1', method, path, headers }).end(body), 'response')
      await once(response.resume(), 'end')
    }
  }
  await app.close()
}

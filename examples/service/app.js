// A small shop: one route of every kind that makes a rolling update difficult.
import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { access, constants, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setInterval as every, setTimeout as sleep } from 'node:timers/promises'
import websocket from '@fastify/websocket'

const photos = process.env.PHOTOS ?? join(tmpdir(), 'fastify-graceful-shop')

/** The routes of the shop. Expects `fastify-graceful` on the same instance. */
export default async function shop (app) {
  await mkdir(photos, { recursive: true })
  await app.register(websocket)

  // Readiness, not liveness: a restart would not make the directory writable, another replica may have a better one.
  app.graceful.addCheck('photos', () => access(photos, constants.W_OK), { timeout: 1000, ttl: 5000 })

  app.get('/products/:id', async (request) => ({ id: request.params.id, stock: 12 }))
  app.get('/products/:id/offer', { schema: { querystring: offerQuery } }, offer)
  app.get('/products.csv', catalogue)
  app.post('/orders', order)
  app.get('/orders/events', orderEvents)
  app.get('/orders/socket', { websocket: true }, orderSocket)

  // Without a parser of its own Fastify would collect a photo in memory, and refuse it above 1 MiB.
  app.addContentTypeParser('image/jpeg', (request, payload, done) => done(null, payload))
  app.put('/photos/:name', { schema: { params: photoParams } }, photo)
}

const offerQuery = {
  type: 'object',
  properties: { patience: { type: 'integer', minimum: 0, maximum: 5000, default: 250 } }
}

const photoParams = {
  type: 'object',
  // The name becomes a file name: nothing that leaves the directory.
  properties: { name: { type: 'string', pattern: '^[a-z0-9-]{1,64}$' } }
}

// Nothing to do for a slow answer: the process waits for every request that has come in.
async function offer (request) {
  await sleep(request.query.patience)
  return { id: request.params.id, price: 9.95 }
}

// Nothing to do for a long download either: the process waits until the last byte has left.
function catalogue (request, reply) {
  reply.type('text/csv')
  return Readable.from(catalogueRows())
}

async function * catalogueRows () {
  for (let page = 0; page < 40; page++) {
    await sleep(10) // as long as a page of rows takes to come from a database
    let rows = ''
    for (let row = 0; row < 1000; row++) rows += `${page * 1000 + row},product of the shop,in stock,always fresh,9.95\n`
    yield rows
  }
}

async function photo (request) {
  const hash = createHash('sha256')
  let bytes = 0
  const measure = new Transform({
    transform (chunk, encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    }
  })
  await pipeline(request.body, measure, createWriteStream(join(photos, request.params.name)))
  return { bytes, sha256: hash.digest('hex') }
}

async function order (request, reply) {
  const id = randomUUID()
  // The customer has the answer before the mail has gone. Only this line makes the process wait for the mail.
  request.server.graceful.waitUntil(sendConfirmation(id, request.log), { name: 'confirmation mail' })
  return reply.code(202).send({ id })
}

async function sendConfirmation (id, log) {
  await sleep(300) // as long as a mail server takes
  log.debug({ id }, 'confirmation sent')
}

// An event stream never ends by itself: it ends when draining starts, and the browser comes back, to another replica.
function orderEvents (request, reply) {
  reply.type('text/event-stream').header('cache-control', 'no-store')
  return Readable.from(events(request.drainSignal))
}

async function * events (signal) {
  yield 'retry: 500\n\n' // how long a browser waits before it comes back
  try {
    for await (const tick of every(1000, 1, { signal })) yield `event: orders\ndata: ${tick}\n\n`
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

// The plugin closes WebSockets with code 1001, "going away". A client that gets it connects again.
function orderSocket (socket) {
  socket.on('message', (message) => socket.send(`order ${message} accepted`))
}

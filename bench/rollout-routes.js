// The routes of the service that the rolling update restarts: immediate, slow, long, streamed and uploaded requests.
import { writeSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

const between = (low, high) => low + Math.random() * (high - low)

async function * chunks () {
  for (let index = 0; index < 10; index++) {
    await sleep(between(20, 100))
    yield `${index}`.repeat(1000)
  }
}

export default async function routes (app) {
  app.get('/immediate', async () => ({ ok: true }))
  app.get('/slow', async () => {
    await sleep(between(50, 500))
    return { ok: true }
  })
  app.get('/long', async () => {
    await sleep(4000)
    return { ok: true }
  })
  app.get('/stream', (request, reply) => reply.type('text/plain').send(Readable.from(chunks())))
  app.post('/upload', (request, reply) => reply.send({ received: request.body.text.length }))
  // Written past every buffer, so that it counts even when the process ends in the next moment.
  app.addHook('onClose', async () => { writeSync(1, 'onClose\n') })
}

// A queue worker with a job in hand that takes nine seconds, beside the routes of a service.
import { Queue, Worker } from 'bullmq'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { say, sayHook, shop, wait } from './shop.js'

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null }
const queue = new Queue('mail', { connection })
const worker = new Worker('mail', async ({ data }) => {
  say(`job ${data.number} begins`)
  await new Promise((resolve) => { setTimeout(resolve, data.milliseconds) })
  say(`job ${data.number} ends`)
}, { connection, concurrency: 5 })

const app = Fastify({ logger: true })
app.register(graceful)
app.addHook('onClose', async () => {
  sayHook('onClose')
  await worker.close()
  await queue.close()
  sayHook('worker.close')
})
app.post('/jobs', async (request) => {
  const { id } = await queue.add('send', request.body)
  return { ok: id !== undefined }
})
app.get('/quick', async (request) => wait(request.query.ms))
app.register(shop)
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })

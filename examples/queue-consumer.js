// A consumer that stops fetching when draining starts and finishes the message it has in hand.
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'

const app = Fastify({ logger: true })
await app.register(graceful)

const queue = fakeQueue()

app.get('/', async () => ({ handled: queue.acknowledged }))

app.addHook('onListen', async () => {
  consume().catch((error) => app.log.error(error, 'the consumer failed'))
})

async function consume () {
  // Not before draining: while the balancer still sends requests, this replica is in service, for messages too.
  const { signal } = app.graceful
  while (!signal.aborted) {
    const message = await queue.receive({ signal }).catch((error) => {
      if (!signal.aborted) throw error
    })
    if (message === undefined) return
    const work = handle(message)
    // The process waits for what was fetched. What was not fetched stays in the queue, for another replica.
    app.graceful.waitUntil(work, { name: `message ${message.id}` })
    // A failure is logged by the plugin. Nothing was acknowledged then, so the queue delivers the message again.
    await work.catch(() => {})
  }
}

async function handle (message) {
  await sleep(message.work)
  queue.acknowledge(message)
  app.log.info({ message: message.id }, 'message handled')
}

await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })

/**
 * Stands in for a real queue, such as SQS or AMQP, so that this file runs as it stands: a message every 300 ms, half
 * a second of work each.
 */
function fakeQueue () {
  let id = 0
  return {
    acknowledged: 0,
    async receive ({ signal }) {
      await sleep(300, undefined, { signal })
      return { id: ++id, work: 500 }
    },
    acknowledge () { this.acknowledged++ }
  }
}

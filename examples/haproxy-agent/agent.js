// HAProxy's agent-check: a TCP port that says in one line what is to become of this server. `drain` takes it out of
// rotation, and `ready up` takes it in again. Phase 1 lasts until each HAProxy that asks has heard of the end.
import { once } from 'node:events'
import { createServer } from 'node:net'
import fastifyPlugin from 'fastify-plugin'

/**
 * @param options.port where HAProxy asks (`agent-port`)
 * @param options.patience milliseconds after which one that has not asked is gone: more than its `agent-inter`
 * @param options.settle milliseconds in which one that was told acts on it
 */
async function haproxyAgent (app, { port, host = '0.0.0.0', patience = 5000, settle = 500 }) {
  /** When each HAProxy, by its address, has asked last, and when it was told to drain. */
  const askers = new Map()

  const word = async () => {
    if (app.graceful.phase !== 'running') return 'drain'
    return await app.graceful.ready() ? 'ready up' : 'down'
  }

  const answer = async (socket) => {
    const { remoteAddress } = socket
    const asker = { ...askers.get(remoteAddress), askedAt: performance.now() }
    askers.set(remoteAddress, asker)
    const text = await word()
    socket.end(`${text}\n`, () => {
      asker.toldAt = text === 'drain' ? asker.toldAt ?? performance.now() : undefined
    }).resume()
  }

  const server = createServer((socket) => {
    socket.on('error', () => {})
    void answer(socket)
  })

  app.graceful.stall('HAProxy', (phase) => {
    if (phase !== 'announcing') return false
    const now = performance.now()
    for (const [address, { askedAt, toldAt }] of askers) {
      if (toldAt === undefined ? now - askedAt < patience : now - toldAt < settle) return `${address} has yet to drain`
    }
  })

  app.addHook('onListen', async () => {
    server.listen({ port, host })
    await once(server, 'listening')
  })
  app.addHook('onClose', () => server.close())
}

export default fastifyPlugin(haproxyAgent, { name: 'haproxy-agent', fastify: '5.x', dependencies: ['fastify-graceful'] })

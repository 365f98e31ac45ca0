// A TCP balancer: round robin over the replicas in rotation, nothing retried, nothing understood of what it carries.
import { connect, createServer } from 'node:net'
import { once } from 'node:events'

/**
 * Starts the balancer on a free port.
 * @returns {Promise<{
 *   port: number,
 *   add (port: number): void,
 *   remove (port: number): void,
 *   has (port: number): boolean,
 *   close (): void
 * }>}
 */
export async function startBalancer () {
  const rotation = []
  const clients = new Set()
  let turn = 0

  // Half-open, because a client that has sent everything may still wait for its answer.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    clients.add(client)
    client.once('close', () => clients.delete(client))
    if (rotation.length > 0) carry(client, rotation[turn++ % rotation.length])
    else client.resetAndDestroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: server.address().port,
    add (port) { rotation.push(port) },
    // For new connections only: those that exist go on, as behind a Kubernetes Service.
    remove (port) {
      if (rotation.includes(port)) rotation.splice(rotation.indexOf(port), 1)
    },
    has: (port) => rotation.includes(port),
    close () {
      server.close()
      for (const client of clients) client.destroy()
    }
  }
}

function carry (client, port) {
  const replica = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  join(client, replica)
  join(replica, client)
}

function join (from, to) {
  from.pipe(to)
  // A reset has to arrive as a reset: a client that saw a clean end instead could take half an answer for a whole one.
  from.once('error', () => to.resetAndDestroy())
  from.once('close', () => {
    if (!to.writableEnded) to.destroy()
  })
}

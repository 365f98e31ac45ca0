// A TCP balancer as a Kubernetes Service is one: it chooses a replica per connection, never retries, and leaves
// connections alone when their replica is taken out.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

export async function createBalancer () {
  const rotation = []
  // Client ports whose replica refused the connection; a client sees only a reset and asks here for the reason.
  const refused = new Set()
  let turn = 0

  function join (client) {
    const replica = rotation[turn++ % rotation.length]
    const upstream = connect({ port: replica, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const clientPort = client.remotePort
    client.pipe(upstream)
    upstream.pipe(client)
    upstream.on('error', error => {
      if (error.code === 'ECONNREFUSED') refused.add(clientPort)
      client.resetAndDestroy()
    })
    client.on('error', () => upstream.resetAndDestroy())
    client.on('close', () => upstream.destroy())
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, join)
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')

  return {
    port: server.address().port,
    add: replica => rotation.push(replica),
    remove: replica => rotation.splice(rotation.indexOf(replica), 1),
    wasRefused: clientPort => refused.delete(clientPort),
    close: () => server.close()
  }
}

import { Server } from 'node:net'

/**
 * From now on closed servers still say where they listened: a hook of somebody's takes the service out of a registry by its port, and
 * with bare Fastify it does so while the server listens.
 *
 * @returns ends that
 */
export function keepAddresses (servers: readonly Server[]): () => void {
  const restore = servers.map((server) => {
    // What `serverFactory` has brought may have a way of its own.
    if (!(server instanceof Server) || Object.hasOwn(server, 'address')) return () => {}
    const known = server.address()
    if (known === null) return () => {}
    server.address = function address () { return Server.prototype.address.call(server) ?? known }
    return () => { delete (server as Partial<Server>).address }
  })
  return () => { for (const each of restore) each() }
}

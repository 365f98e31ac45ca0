import type { Server } from 'node:net'

/**
 * From now on closed servers still say where they listened: a hook of somebody's takes the service
 * out of a registry by its port, and with bare Fastify it does so while the server listens.
 *
 * @returns ends that
 */
export function keepAddresses (servers: readonly Server[]): () => void {
  const restore = servers.map((server) => {
    // What `serverFactory` has brought may have a way of its own.
    if (typeof server.address !== 'function' || Object.hasOwn(server, 'address')) return () => {}
    const { address: inherited } = server
    const known = server.address()
    if (known === null) return () => {}
    const address = (): ReturnType<Server['address']> => inherited.call(server) ?? known
    // Not by assignment, which a server whose own cannot be written refuses.
    Object.defineProperty(server, 'address', { value: address, configurable: true, writable: true })
    return () => { delete (server as Partial<Server>).address }
  })
  return () => { for (const each of restore) each() }
}

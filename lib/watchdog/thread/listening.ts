import { setTimeout } from 'node:timers'
import type { Server } from 'node:net'
import { backlog } from '../../server/bounded.ts'
import type { ServerData, ToMain } from '../protocol.ts'

/** Milliseconds between two tries to listen: the port may belong to a process that is about to end. */
const listenInterval = 1000
/** All addresses, those of IPv4 included; and what is left of them where there is no IPv6. */
const everywhere = { both: '::', ipv4: '0.0.0.0' } as const
/** What says that there is no IPv6. */
const without = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT'])

type Place = Pick<ServerData, 'port' | 'host'>

/** Opens the watchdog's port, and tries again where somebody else has it. */
export function openPort (server: Server, to: Place, post: (message: ToMain) => void): void {
  const { port } = to
  let address = to.host
  let hasWarned = false
  const listen = (): void => { server.listen({ port, host: address, backlog }) }
  server.on('error', (error: NodeJS.ErrnoException) => {
    // One connection that could not be accepted.
    if (server.listening) return
    if (address === everywhere.both && without.has(error.code ?? '')) {
      address = everywhere.ipv4
      return listen()
    }
    const message = `the watchdog cannot listen on ${address}:${port}, and tries again each second: ${error.message}`
    if (!hasWarned) post({ type: 'warning', message })
    hasWarned = true
    setTimeout(listen, listenInterval)
  })
  server.on('listening', () => {
    const bound = server.address()
    post({ type: 'listening', port: typeof bound === 'object' && bound !== null ? bound.port : port })
  })
  listen()
}

import { setTimeout } from 'node:timers'
import type { Server } from 'node:net'
import { addressWithoutIpv6, backlog } from '../../server/bounded.ts'
import type { ServerData, ToMain } from '../protocol.ts'

/** Milliseconds between two tries to listen: the port may belong to a process that is about to end. */
const listenInterval = 1000

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
    const other = addressWithoutIpv6(address, error)
    if (other !== undefined) {
      address = other
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

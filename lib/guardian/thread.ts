// The guardian's thread: puts its parts together. Nothing is imported later than at the start, because a loader hook of the
// application may run on the main thread.
import { setTimeout } from 'node:timers'
import type { Server } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import { backlog } from '../server/bounded.ts'
import { Guard } from './guard.ts'
import type { ServerData, ThreadData, ToMain, ToThread } from './protocol.ts'
import { makeServer } from './server.ts'

/** Milliseconds between two tries to listen: the port may belong to a process that is about to end. */
const listenInterval = 1000

let hasComplained = false
const data = workerData as ThreadData
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
const post = (message: ToMain): void => { parentPort?.postMessage(message) }
const guard = new Guard(data, post)
parentPort?.on('message', (message: ToThread) => guard.receive(message))
post({ type: 'up' })
guard.start()
if (data.server !== undefined) {
  listen(makeServer(data.server, guard.ports), data.server)
  // One that watches as well ends with an error, for who knows whether it still watches: another one is started.
  if (!data.watches) process.on('uncaughtException', (error) => complain(error))
}

/** Whatever goes wrong with one connection, the others are answered; a fault that comes again is told of once. */
function complain (error: unknown): void {
  const text = error instanceof Error ? error.stack : String(error)
  if (!hasComplained) {
    post({ type: 'warning', message: `the thread of the guardian's port goes on after an error: ${text}` })
  }
  hasComplained = true
}

function listen (server: Server, { port, host }: ServerData): void {
  let warned = false
  server.on('error', (error) => {
    // One connection that could not be accepted.
    if (server.listening) return
    const again = 'and tries again each second'
    const message = `the guardian cannot listen on ${host}:${port}, ${again}: ${error.message}`
    if (!warned) post({ type: 'warning', message })
    warned = true
    setTimeout(() => server.listen({ port, host, backlog }), listenInterval)
  })
  server.on('listening', () => {
    const address = server.address()
    post({ type: 'listening', port: typeof address === 'object' && address !== null ? address.port : port })
  })
  server.listen({ port, host, backlog })
}

// The guardian's thread: puts its parts together. Nothing is imported later than at the start, because a loader hook of the
// application may run on the main thread.
import { setTimeout } from 'node:timers'
import type { Server } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import { Guard } from './guard.ts'
import type { ServerData, ThreadData, ToMain, ToThread } from './protocol.ts'
import { makeServer } from './server.ts'

/** Milliseconds between two tries to listen: the port may belong to a process that is about to end. */
const listenInterval = 1000

const data = workerData as ThreadData
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
const post = (message: ToMain): void => { parentPort?.postMessage(message) }
const guard = new Guard(data, post)
parentPort?.on('message', (message: ToThread) => guard.receive(message))
guard.start()
if (data.server !== undefined) listen(makeServer(data.server, guard.ports), data.server)

function listen (server: Server, { port, host }: ServerData): void {
  let warned = false
  server.on('error', (error) => {
    if (!warned) post({ type: 'warning', message: `the guardian cannot listen on ${host}:${port}, and tries again each second: ${error.message}` })
    warned = true
    setTimeout(() => server.listen({ port, host }), listenInterval)
  })
  server.on('listening', () => {
    const address = server.address()
    post({ type: 'listening', port: typeof address === 'object' && address !== null ? address.port : port })
  })
  server.listen({ port, host })
}

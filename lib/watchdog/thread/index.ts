// The watchdog's thread: puts its parts together. Nothing is imported later than at the start,
// because a loader hook of the application may run on the main thread.
import { parentPort, workerData } from 'node:worker_threads'
import { Watcher } from './watcher.ts'
import { openPort } from './listening.ts'
import type { ThreadData, ToMain, ToThread } from '../protocol.ts'
import { makeServer } from './server.ts'
import { tellSystemd } from './systemd.ts'

let hasComplained = false
const data = workerData as ThreadData
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
const post = (message: ToMain): void => { parentPort?.postMessage(message) }
const watcher = new Watcher(data, post)
parentPort?.on('message', (message: ToThread) => watcher.receive(message))
post({ type: 'up' })
watcher.start()
tellSystemd(data, watcher, (message) => post({ type: 'warning', message }))
if (data.server !== undefined) {
  openPort(makeServer(data.server, watcher.ports), data.server, post)
  // One that watches as well ends with an error, for who knows whether it still watches: another one is started.
  if (!data.watches) process.on('uncaughtException', (error) => complain(error))
}

/** Whatever goes wrong with one connection, the others are answered; a fault that comes again is told of once. */
function complain (error: unknown): void {
  const text = error instanceof Error ? error.stack : String(error)
  if (!hasComplained) {
    post({ type: 'warning', message: `the thread of the watchdog's port goes on after an error: ${text}` })
  }
  hasComplained = true
}

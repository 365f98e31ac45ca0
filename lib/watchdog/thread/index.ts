// The watchdog's thread: puts its parts together. Nothing is imported later than at the start,
// because a loader hook of the application may run on the main thread.
import { setTimeout } from 'node:timers'
import { parentPort, workerData } from 'node:worker_threads'
import { Sender } from '../../platform/systemd/sender.ts'
import type { ThreadData, ToMain, ToThread } from '../protocol.ts'
import { openPort, makeServer } from './server.ts'
import { Watcher } from './watcher.ts'

/** Milliseconds between two looks at an event loop that has not turned since systemd was told, at most. */
const longestPause = 100

/**
 * Tells systemd's watchdog that the event loop turns: twice within `WatchdogSec=`, where it has turned since the last
 * time, and otherwise as soon as it does. So one that hangs for longer than that is noticed, and one that does not
 * is not.
 */
function tellSystemd (
  { systemd, watches }: Pick<ThreadData, 'systemd' | 'watches'>,
  seen: { readonly lastSeen: number },
  failed: (problem: string) => void
): void {
  if (systemd === undefined || !watches) return
  const { way, interval } = systemd
  const sender = new Sender(way, failed, true)
  let told = -Infinity
  const tell = (): void => {
    const { lastSeen } = seen
    const turns = lastSeen > told
    if (turns) {
      told = lastSeen
      sender.send({ WATCHDOG: 1 })
    }
    setTimeout(tell, turns ? interval : Math.min(longestPause, interval / 10))
  }
  tell()
}

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

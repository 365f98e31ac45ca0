import { isMainThread } from 'node:worker_threads'
import type { WatchHandle, WatchdogSetup, WatchedApplication } from './types.ts'
import { Watchdog } from './watchdog.ts'

/**
 * Puts an application under the watchdog of its process, which all copies of the package share; the first
 * one brings the settings. Undefined in a worker thread, which has neither signals nor an exit of its own.
 */
export function joinWatchdog (
  shared: { watchdog?: object | undefined },
  setup: WatchdogSetup,
  application: WatchedApplication
): WatchHandle | undefined {
  if (!isMainThread) return undefined
  const watchdog = shared.watchdog ??= new Watchdog(setup, () => { shared.watchdog = undefined })
  return (watchdog as Watchdog).join(application)
}

import { workerData } from 'node:worker_threads'

/** Platformatic's runtime, as a service that it runs sees it. */
export interface Platformatic {
  /** When the runtime kills the service, in milliseconds from its `close()`; undefined where it says nothing. */
  gracePeriod: number | undefined
  /** How many worker threads run the service, each with a listener of its own on one port. */
  workers: number
}

interface RuntimeData {
  config?: { gracefulShutdown?: Record<string, unknown> }
  worker?: { count?: unknown }
}

/** Looks for Platformatic's runtime, which shows itself as `globalThis.platformatic`; undefined where there is none. */
export function readPlatformatic (data: unknown = workerData): Platformatic | undefined {
  if (!('platformatic' in globalThis)) return undefined
  const { config, worker } = (data ?? {}) as RuntimeData
  // `runtime` is for all, `application` (`service` before version 3) for one.
  const { runtime, application, service } = config?.gracefulShutdown ?? {}
  const times = [runtime, application, service]
    .filter((time): time is number => typeof time === 'number' && time >= 1000)
  const count = Number(worker?.count)
  return { gracePeriod: times.length === 0 ? undefined : Math.min(...times), workers: count >= 1 ? count : 1 }
}

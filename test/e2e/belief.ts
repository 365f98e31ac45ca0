import { fileURLToPath } from 'node:url'
import { drill } from '../../lib/drill/drill.ts'
import type { DrillResult } from '../../lib/drill/drill.ts'
import type { LossKind } from '../../lib/drill/losses.ts'
import { prefer } from './replicas.ts'
import { cleanEnv } from '../support/clean-env.ts'

const service = fileURLToPath(new URL('../drill/fixtures/planted.js', import.meta.url))
const isRight = (body: Buffer): boolean => String(body) === 'ok'

/** A load without an update. */
export interface Belief {
  /** How many requests at least. */
  requests: number
  rate: number
  /** One request in so many is lost by the service, in this way. */
  planted?: { kind: LossKind, every: number }
  /** Milliseconds. */
  timeout?: number
}

/** What the drill has found of what was planted. */
export interface Found extends DrillResult {
  planted: number
  /** Milliseconds. */
  took: number
}

/** Puts load on replicas that nobody replaces. */
export async function believe ({ requests, rate, planted, timeout = 300_000 }: Belief): Promise<Found> {
  let count = 0
  const begun = performance.now()
  const fault = planted === undefined ? {} : { FAULT: planted.kind, EVERY: String(planted.every) }
  const result = await drill({
    service: { command: ['env', ...cleanEnv, process.execPath, service], env: { ...process.env, ...fault } },
    replicas: planted === undefined ? 2 : 1,
    replace: 0,
    grace: 1000,
    rate,
    timeout,
    connections: 200,
    // Poisson: five standard deviations more than half of all runs would need.
    warmUp: (requests + 5 * Math.sqrt(requests)) / rate * 1000,
    coolDown: 0,
    profiles: [
      { name: 'kept', weight: 7, path: '/', think: 500, isRight }, { name: 'burst', weight: 2, path: '/', burst: 4, isRight },
      { name: 'fresh', weight: 1, path: '/', keepAlive: false, isRight }
    ],
    observer: {
      started: ({ pid }) => prefer(pid, -5),
      line: (_replica, { event }) => { if (event === 'planted') count++ }
    }
  })
  return { ...result, planted: count, took: performance.now() - begun }
}

/** What a run was like, in one line. */
export function factsOf ({ requests, took, latency, longestPause, connections, tally }: Found): string {
  return `${requests} requests on ${connections} connections in ${(took / 1000).toFixed(1)} s, ${tally.lost} lost, ` +
    `p50 ${latency.p50} ms, p99.9 ${latency.p999} ms, longest pause of the load ${longestPause} ms`
}

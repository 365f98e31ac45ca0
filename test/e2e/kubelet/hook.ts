import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PreStop } from './manifest.ts'
import { httpGet } from './prober.ts'

/** How a preStop hook went. */
export interface HookRecord {
  /** The status, `done`, or why it failed; the kubelet goes on whatever it is. */
  outcome: number | string
  /** Ms. */
  took: number
  /** Whole seconds that were taken off the grace period. */
  subtracted: number
}

/** What a hook needs of its container. */
export interface HookPlace {
  portOf: (port: number | string) => number
  folder: string
  env: Record<string, string>
}

/** Runs a preStop hook, for at most the grace period (seconds). Never rejects: a kubelet goes on whatever it did. */
export async function runPreStop (hook: PreStop, grace: number, place: HookPlace): Promise<HookRecord> {
  const startedAt = performance.now()
  const over = new AbortController()
  const { signal } = over
  const tooLong = sleep(grace * 1000, 'not done at the end of the grace period', { signal }).catch(() => '')
  const outcome = await Promise.race([run(hook, grace, place, signal), tooLong])
  over.abort()
  const took = performance.now() - startedAt
  return { outcome, took: Math.round(took), subtracted: Math.floor(took / 1000) }
}

/** A status that is no success is none for the kubelet either, but it goes on without an event. */
async function run (
  { httpGet: get, sleep: pause, exec }: PreStop,
  grace: number,
  { portOf, folder, env }: HookPlace,
  signal: AbortSignal
): Promise<number | string> {
  if (get !== undefined) return await httpGet(get, { portOf, agent: 'kube-lifecycle', timeout: grace * 1000 })
  // A timer of Node's may be early by a part of a millisecond, which the truncated difference would make a second of;
  // Go's never is.
  if (pause !== undefined) return await sleep(pause.seconds * 1000 + 1, 'done', { signal }).catch(() => '')
  const [program = '', ...parameters] = exec?.command ?? []
  return await new Promise((resolve) => {
    execFile(
      program,
      parameters,
      { cwd: folder, env: { PATH: process.env['PATH'], ...env } },
      (error) => resolve(error === null ? 'done' : error.message)
    )
  })
}

import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { LogLine } from '../../lib/drill/processes.ts'
import { startReplica } from '../../lib/drill/replicas.ts'
import type { Departure as End, Replica as Process } from '../../lib/drill/replicas.ts'
import type { Report } from '../../lib/lifecycle/report.ts'
import { prefer } from '../e2e/replicas.ts'
import { cleanEnv } from '../support/clean-env.ts'

/** A running service, with the lines of its output that have an event, are warnings, or are no JSON. */
export type Replica = Process & { readonly lines: LogLine[] }

/** How it went. */
export interface Departure extends End { report: Report, warnings: LogLine[] }

/** What Kubernetes, and whoever runs the tests, puts into the environment of a program. */
const unset = ['NODE_ENV', 'KUBERNETES_SERVICE_HOST', 'PRESTOP_SECONDS', 'TERMINATION_GRACE_PERIOD_SECONDS',
  'NODE_UNIQUE_ID']
/** Milliseconds: longer than any start on a busy machine, and than any end whose time a test measures. */
const patience = 60_000

/** Whether a line is a warning, or no line of a log. */
export function isWarning ({ level = 0, event }: LogLine): boolean {
  return level >= 40 || event === 'output'
}

/** Starts a program of `fixtures/`, which listens on the port of `PORT`, and waits until it says so. */
export async function start (t: Test, given: object = {}, fixture = 'replica.js'): Promise<Replica> {
  const lines: LogLine[] = []
  const file = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url))
  const withoutEnv = [...cleanEnv, ...unset.flatMap((name) => ['-u', name])]
  const replica = await startReplica(fixture, {
    command: ['env', ...withoutEnv, process.execPath, file, JSON.stringify(given)],
    // It is asked nothing: whoever asks for readiness is a front end.
    probe: async () => lines.some(({ event }) => event === 'replica.listening') ? 200 : 0,
    bootWithin: patience
  }, { line: (_replica, line) => { if (line.event !== undefined || isWarning(line)) lines.push(line) } })
  prefer(replica.pid, 0)
  t.teardown(() => {
    replica.kill('SIGKILL')
    // Children of a supervisor would live on without it.
    for (const { childPid } of lines) if (typeof childPid === 'number') kill(childPid)
  })
  await replica.ready()
  return Object.assign(replica, { lines })
}

function kill (pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has gone.
  }
}

/** Ends a service with SIGTERM, and tells how it went. @throws Error where its log has no report */
export async function end (replica: Replica): Promise<Departure> {
  const { report, ...departure } = await replica.terminate(patience)
  if (report === undefined) throw new Error(`no report: ${JSON.stringify(replica.lines)}`)
  const warnings = replica.lines.filter((line) => isWarning(line) && line.event !== 'graceful.report')
  return { ...departure, report, warnings }
}

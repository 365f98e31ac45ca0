import { ChildProcess } from 'node:child_process'
import cluster, { Worker } from 'node:cluster'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childVariable, siblingsVariable, stickyVariable, supervisorVariable } from '../../environment.ts'
import { errors } from '../../errors.ts'
import { stateVariable } from '../../platform/end-file.ts'
import type { SupervisorSettings } from '../options.ts'
import { launchDirectory } from './script.ts'

/**
 * What each child loads before the service: a file of this package, as its address. It is the one file that is looked
 * for; a bundle of the supervisor does not hold it.
 *
 * @throws FST_GRACEFUL_SUPERVISOR
 */
export function preloadFile (): string {
  // A bundle of CommonJS has no such address.
  const here = import.meta.url as string | undefined
  const path = here?.endsWith('.ts') === true ? '../child/index.ts' : 'supervisor/worker.js'
  const file = here === undefined ? undefined : new URL(path, here)
  if (file === undefined || !exists(file)) {
    const found = `a bundle without that file (${file?.href ?? 'of CommonJS'})`
    throw new errors.FST_GRACEFUL_SUPERVISOR(
      'fastify-graceful/supervisor to be loaded from node_modules, with its file supervisor/worker.js beside it',
      `${found}: leave the package out of the bundle (external: ['fastify-graceful'])`
    )
  }
  return file.href
}

function exists (file: URL): boolean {
  try {
    return existsSync(fileURLToPath(file))
  } catch {
    // No file at all.
    return false
  }
}

/**
 * Sets the process up as the parent of its children; there can be one such set-up in a process.
 *
 * @param preload what each child loads before the service
 */
export function setupChildren ({ script, args }: SupervisorSettings, preload: string): void {
  // Round-robin lost requests whenever a child closed: those that the parent had accepted and the child not yet.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const cwd = launchDirectory()
  cluster.setupPrimary({
    exec: resolve(cwd, script),
    args: [...args],
    cwd,
    execArgv: [...process.execArgv, '--import', preload],
    // Standard input is the parent's, so that a child sees whether SIGINT is a Ctrl-C.
    stdio: ['inherit', 'pipe', 'pipe', 'ipc']
  })
}

/** Starts a child for a place. One that cannot be started has no process number, and says so by the event `error`. */
export function forkChild (
  { childGracePeriod, workers, sticky, surroundings }: SupervisorSettings,
  place: number
): Worker {
  try {
    const worker = cluster.fork({
      TERMINATION_GRACE_PERIOD_SECONDS: String(childGracePeriod / 1000),
      [supervisorVariable]: String(process.pid),
      [siblingsVariable]: String(workers),
      [stickyVariable]: sticky ? '1' : '',
      [childVariable]: String(place),
      // What a child would recognise by itself may not be what its parent sees: systemd shows itself to its own.
      ...surroundings.place && { GRACEFUL_PLATFORM: surroundings.place.name },
      // The message of the container is the supervisor's, and so is what says that all were killed.
      GRACEFUL_TERMINATION_MESSAGE_PATH: '',
      [stateVariable]: ''
    })
    // Node forgets only those that exit or disconnect.
    if (worker.process.pid === undefined) delete cluster.workers?.[worker.id]
    return worker
  } catch (error) {
    return notStarted(error)
  }
}

/** Node throws for some reasons, and emits `error` for others: all are to look alike. */
function notStarted (error: unknown): Worker {
  const child = new ChildProcess()
  const worker = new (Worker as new (options: { process: ChildProcess }) => Worker)({ process: child })
  process.nextTick(() => child.emit('error', error))
  return worker
}

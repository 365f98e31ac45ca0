import { registration } from './graceful.ts'
import type { Graceful, ShutdownOptions, WorkOptions } from './graceful.ts'
import { invalidArgument, takeOptions } from './errors.ts'
import type { Health } from './health/health.ts'
import type { Holds } from './lifecycle/holds.ts'
import type { Lifecycle } from './lifecycle/lifecycle.ts'
import { takeWorkOptions } from './lifecycle/background-work.ts'
import { phases } from './lifecycle/phase.ts'
import { clip } from './util/text.ts'
import type { SocketWork } from './traffic/socket-work.ts'

/** What stands behind `app.graceful`. */
export interface FaceParts extends Pick<Graceful, 'signal' | 'status'> {
  lifecycle: Lifecycle
  health: Health
  holds: Holds
  /** Work that belongs to a connection. */
  socketWork: SocketWork
  /** Somebody asks for the end of the process. */
  askExit: () => void
}

/** Makes what is decorated as `app.graceful`. */
export function makeFace ({ lifecycle, health, holds, socketWork, askExit, signal, status }: FaceParts): Graceful {
  return {
    get phase () { return lifecycle.phase },
    phases,
    get deadline () { return lifecycle.deadline },
    signal,
    shutdown: (options) => {
      const request = readShutdown(options)
      askExit()
      return lifecycle.shutdown({ kind: 'shutdown', ...request })
    },
    stall: (name, participant) => registration(lifecycle.participants.add(name, participant)),
    addHook: (phase, hook, options) => registration(lifecycle.hooks.add(phase, hook, options)),
    waitUntil: (promise, options) => waitUntil({ lifecycle, socketWork }, promise, options),
    hold: (reason, options) => holds.add(reason, options),
    addCheck: (name, check, options) => health.addCheck(name, check, options),
    ready: async () => (await health.verdict('readiness')).ok,
    status
  }
}

function waitUntil (
  { lifecycle, socketWork }: Pick<FaceParts, 'lifecycle' | 'socketWork'>,
  promise: PromiseLike<unknown>,
  options?: WorkOptions
): void {
  // Looked at first: nothing is begun where one of the arguments is wrong.
  const taken = options === undefined ? undefined : takeWorkOptions(options)
  const owner = taken?.socket
  const end = owner === undefined ? undefined : socketWork.begin(owner)
  try {
    lifecycle.work.follow(promise, taken?.name)
  } catch (error) {
    end?.()
    throw error
  }
  if (end !== undefined) Promise.resolve(promise).then(end, end)
}

function readShutdown (options: ShutdownOptions = {}): { reason: string, exitCode: number } {
  const { reason = 'shutdown()', exitCode = 0 } = takeOptions(options, "'shutdown'", ['reason', 'exitCode'])
  if (typeof reason !== 'string' || reason === '') {
    throw invalidArgument("the reason given to 'shutdown'", 'a non-empty string', reason)
  }
  if (!Number.isInteger(exitCode) || exitCode < 0 || exitCode > 255) {
    throw invalidArgument("the exitCode given to 'shutdown'", 'an integer from 0 to 255', exitCode)
  }
  return { reason: clip(reason), exitCode }
}

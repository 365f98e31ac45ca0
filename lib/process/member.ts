import type { FastifyInstance } from 'fastify'
import { systemClock } from '../clock.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Log } from '../log.ts'
import type { TerminationMessage } from '../platform/kubernetes/termination.ts'
import { flushLogger } from './exit.ts'
import { joinProcess } from './registry.ts'
import type { Membership } from './types.ts'
import type { Settings } from '../settings.ts'

/** What of an application the registry of its process has to know. */
export interface MemberParts {
  name: string
  root: FastifyInstance
  settings: Settings
  lifecycle: Lifecycle
  message: TerminationMessage
  log: Log
}

/** Enters an application into the registry of its process. */
export function joinRegistry ({ name, root, settings, lifecycle, message, log }: MemberParts): Membership {
  const { signals, otherListeners, othersServe, restartExitCode, exit, crash, budget } = settings
  return joinProcess({
    name,
    lifecycle,
    log,
    signals,
    otherListeners,
    othersServe,
    restartExitCode,
    exit,
    crash,
    flush: () => flushLogger(root.log),
    // What nobody used before is there for the logs.
    flushTimeout: () => Math.max(0, (lifecycle.deadline ?? 0) - systemClock.epoch()) + budget.reserve / 2,
    exited: (exitCode) => message.exited(exitCode),
    conclude: () => lifecycle.conclude() !== undefined
  })
}

import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { Phase } from '../lifecycle/phase.ts'
import type { CutRequest, PhaseRecord, Report } from '../lifecycle/report.ts'

/** What every message carries. */
interface FromApplication {
  /** Which application of the process: `application 1` is the first that registered the plugin. */
  application: string
}

/** A phase has begun. */
export interface PhaseEvent extends FromApplication {
  phase: Phase
  previous: Phase
  /** The phase that is over: how long it lasted in milliseconds, what ended it, and who still stalled. */
  record: PhaseRecord
  /** A signal's name, what the caller of `shutdown` said, or `'drain'`. */
  reason: string
  /** Epoch milliseconds by which all work must be over; undefined during a drain by hand. */
  deadline: number | undefined
}

/** Somebody lost the answer to an ordinary request. Streams and upgraded sockets are told by number, in the report. */
export interface RequestCutEvent extends FromApplication, CutRequest {
  /** `deadline`: the time was over, and the plugin cut it. `others`: other code of the process has just ended it. */
  by: 'deadline' | 'others'
}

/** A connection came within `announce.quiet` before the listener closed, or was accepted before and heard of after. */
export interface LateConnectionEvent extends FromApplication {
  /** Whoever connected: the balancer, where there is one. Undefined on a unix socket. */
  address: string | undefined
  /** Milliseconds from the announcement to its first request. */
  after: number
}

/** The event loop turns again after it did not for longer than `watchdog.blocked`. Needs the watchdog. */
export interface BlockedEvent extends FromApplication {
  /** How long it did not turn, in milliseconds. */
  duration: number
  /** Epoch milliseconds at which that was noticed. */
  at: number
  /** The function that held it; undefined where it could not be paused, as inside native code. */
  blockedIn: string | undefined
}

/** A shutdown is over. */
export interface ReportEvent extends FromApplication { report: Report }

/** The messages by the names of their channels. */
export interface Events {
  'fastify-graceful:phase': PhaseEvent
  'fastify-graceful:request-cut': RequestCutEvent
  'fastify-graceful:late-connection': LateConnectionEvent
  'fastify-graceful:blocked': BlockedEvent
  'fastify-graceful:report': ReportEvent
}

// `hasSubscribers` is that of the channel itself, so it is kept and not looked up.
const channels: { readonly [name in keyof Events]: Channel } = {
  'fastify-graceful:phase': channel('fastify-graceful:phase'),
  'fastify-graceful:request-cut': channel('fastify-graceful:request-cut'),
  'fastify-graceful:late-connection': channel('fastify-graceful:late-connection'),
  'fastify-graceful:blocked': channel('fastify-graceful:blocked'),
  'fastify-graceful:report': channel('fastify-graceful:report')
}

/** The names of all channels. */
export const eventNames: ReadonlyArray<keyof Events> = Object.keys(channels) as Array<keyof Events>

/** Publishes on a channel of `node:diagnostics_channel`. The message is made only where somebody has subscribed. */
export function publish<Name extends keyof Events> (name: Name, make: () => Events[Name]): void {
  const { [name]: to } = channels
  if (to.hasSubscribers) to.publish(make())
}

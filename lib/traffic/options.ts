import type { Server } from 'node:net'
import type { Clock } from '../clock.ts'
import type { AnnounceBudget } from '../lifecycle/budget.ts'
import type { CutRequest } from '../lifecycle/report.ts'
import type { Faults } from '../util/faults.ts'
import { nothing } from '../util/given.ts'
import type { OnLate } from './arrivals.ts'
import type { FrontSettings } from './front-observer.ts'
import type { Shed } from './stagger.ts'

/** How WebSockets are told to go. */
export interface WebSocketOptions {
  /** The close code. Default: 1001, "going away". */
  code?: number
  /** The reason beside it, at most 123 bytes of UTF-8. Default: `'service restart'`. */
  reason?: string
  /**
   * A WebSocket is told when nothing but pings was read or written on it for this many
   * milliseconds, and no work of its own is pending. Default: 250.
   */
  quiet?: number
}

/** Phase 3. Times are milliseconds. */
export interface DrainOptions {
  /** Close a connection that has been idle this long. Default: 5000 in Kubernetes, else 500. */
  idle?: number
  /** Window over which event streams and WebSockets are told to go. Default: a third of what is left, at most 5000. */
  spread?: number
  /** `false` leaves WebSockets to the application: what it has not closed by the end of phase 3 is cut. */
  webSocket?: WebSocketOptions | false
}

/** {@link DrainOptions} with every default filled in. */
export interface DrainSettings {
  idle: number
  /** Whether somebody has set `idle`. */
  isIdleGiven: boolean
  /** Undefined: what fits, and never slower than a fixed rate. */
  spread: number | undefined
  webSocket: Required<WebSocketOptions> | false
}

/** What the traffic room is given. Times are milliseconds. */
export interface TrafficOptions {
  clock: Clock
  announce: AnnounceBudget
  /** What a preStop hook takes off `announce.min`. Default: 0. */
  preStop?: number
  /** How long phase 1 is kept from the balancer. Default: `announce.readinessDelay`. */
  toldAfter?: number
  shed: Shed
  /** Whether replies tell Envoy. Default: no. */
  envoy?: boolean
  drain: DrainSettings
  /** The bound servers, the main one first. */
  servers: () => Server[]
  /** Something has ended: ask again. */
  wake: () => void
  /** A connection came late. Default: nobody is told. */
  late?: OnLate
  /** Other code of this process has ended a request. Default: nobody is told. */
  lost?: (request: CutRequest) => void
  /** Whether the service is ending and has not answered its last request. Default: never. */
  isEnding?: () => boolean
  /** Whether who closes a server now waits for `app.close()`, and what tells that somebody does. Default: nobody. */
  isCloseAhead?: () => boolean
  awaitClose?: () => void
  /** Somebody else has closed the servers, in phase 0 or 1. Default: nobody is told. */
  closed?: () => void
  /** How front ends are found. Default: nobody is looked for, and somebody is taken to be there. */
  front?: FrontSettings
  /** Takes failures of hooks, listeners and timers. Default: they are not logged. */
  faults?: Faults
  /** What is kept for the close of the application, in milliseconds. */
  close: number
  /** How long the present phase may still last, in milliseconds. */
  left: () => number
}

/** Defaults that are plain values. */
export const drainDefaults = {
  idle: { kubernetes: 5000, elsewhere: 500 },
  webSocket: { code: 1001, reason: 'service restart', quiet: 250 }
} as const

/** Fills in the defaults. */
export function readDrain (given: DrainOptions = nothing, inKubernetes: boolean): DrainSettings {
  const { kubernetes, elsewhere } = drainDefaults.idle
  const { idle = inKubernetes ? kubernetes : elsewhere, spread, webSocket = nothing } = given
  const times = { idle, isIdleGiven: given.idle !== undefined, spread }
  if (webSocket === false) return { ...times, webSocket }
  const { code, reason, quiet } = drainDefaults.webSocket
  return {
    ...times,
    webSocket: {
      code: webSocket.code ?? code,
      reason: webSocket.reason ?? reason,
      quiet: webSocket.quiet ?? quiet
    }
  }
}

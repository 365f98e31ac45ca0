import { nothing } from '../util/own.ts'

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

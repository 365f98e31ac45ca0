/** A health check with its last outcome. */
export interface CheckStatus {
  name: string
  /** The probes that ask it. */
  kinds: readonly string[]
  /** Whether the probes that ask it fail with it. */
  critical: boolean
  /** `unknown` until it has run, `degraded` where it fails and is not critical. */
  state: 'passing' | 'failing' | 'degraded' | 'unknown'
  /** Milliseconds since it ran; undefined until then, like the two below. */
  age: number | undefined
  /** Milliseconds that took. */
  duration: number | undefined
  /** Why it fails. */
  error: string | undefined
}

/** What `@fastify/under-pressure` measures. */
export interface PressureStatus {
  /** Whether it answers 503 now. */
  underPressure: boolean
  heapUsed: number
  rssBytes: number
  /** Milliseconds. */
  eventLoopDelay: number
  /** 0 to 1. */
  eventLoopUtilized: number
}

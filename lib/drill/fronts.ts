/** Where one replica listens. */
export interface Endpoint {
  /** The replica's name. */
  readonly name: string
  readonly host: string
  readonly port: number
}

/** What a front knows of one of its connections. */
export interface Trace {
  /** The name of the replica that it was for; undefined where no replica was in rotation. */
  endpoint: string | undefined
  /** Whether no replica took it. */
  isRefused: boolean
  /** Whether the replica had answered on it before, where the front keeps connections of its own. */
  isReused?: boolean
}

/** Hears from a front what it has found out by itself: whether it sends new connections to a replica. */
export type Notice = (endpoint: Endpoint, isIn: boolean) => void

/**
 * What stands in front of the replicas. It retries nothing, so that whatever a replica loses, the client sees. A
 * front of your own can be a real balancer that is told by its API.
 */
export interface Front {
  readonly host: string
  readonly port: number
  /** From now on it gets new connections. */
  add (endpoint: Endpoint): void | Promise<void>
  /** It gets no new connections any more; those that exist go on. */
  remove (endpoint: Endpoint): void | Promise<void>
  /** Whether it gets new connections. */
  has (endpoint: Endpoint): boolean
  /** How many connections to it are open, where the front knows. */
  connections?(endpoint: Endpoint): number
  /** From now on new connections to it are refused, or come to it again. */
  refuse?(endpoint: Endpoint, isRefusing: boolean): void
  /**
   * The connection from this port of the client's, as far as it is known already.
   * @param at milliseconds since 1970 at which it ended: a port may be used several times
   */
  trace (localPort: number, at: number): Trace | undefined
  /** Ends all connections, and listens no longer. */
  close (): void | Promise<void>
}

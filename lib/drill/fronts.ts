import type { Span } from './profiles.ts'

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

/** How a front asks replicas for readiness itself. Times are milliseconds. */
export interface HealthCheckPlan {
  interval: number
  timeout: number
  /** Failures in a row that take a replica out. */
  failures: number
  /** Answers of 200 to 399 in a row that bring it back. */
  successes: number
  /** What it calls itself. */
  userAgent?: string
  /**
   * A replica that fails is not taken out: new connections still come to it, and are refused. So a node does for its
   * last pod with `externalTrafficPolicy: Local`.
   */
  isLocal?: boolean
}

/** What stands in front of a service, as far as it decides what is lost. Times are milliseconds. */
export interface FrontPreset {
  /** In words. */
  title: string
  /**
   * From the end of a replica, a preStop hook included, until it gets no new connection; below 0: it gets none so long
   * before. Absent: nobody tells the front.
   */
  lag?: Span
  /** Its own health checks; absent: it has none. */
  checks?: HealthCheckPlan
  /**
   * It understands HTTP, and keeps its connections to a replica for this long after the last request. Absent: each
   * connection of a client is one to a replica.
   */
  pool?: number
  /** It takes out a replica that has refused a connection. */
  isPassive?: boolean
  /** What `lib/platform` calls the platform; absent: none that the front would tell of. */
  platform?: string
  /** From the end of a replica to SIGKILL, where nobody has set it. */
  grace: number
}

const kubernetes = { platform: 'kubernetes' }

/** Every front by its name. Where each figure was read stands in `docs/guides/drill.md`. */
export const frontPresets: Readonly<Record<string, FrontPreset>> = {
  'kube-proxy': { title: 'a Service of Kubernetes', lag: [70, 1200], grace: 30_000, ...kubernetes },
  'ingress-nginx': { title: 'ingress-nginx', lag: [3300, 6600], pool: 60_000, grace: 30_000, ...kubernetes },
  alb: {
    title: 'an Application Load Balancer of AWS with pods as targets',
    lag: [10_000, 10_000],
    checks: { interval: 15_000, timeout: 5000, failures: 2, successes: 2, userAgent: 'ELB-HealthChecker/2.0' },
    pool: 60_000,
    grace: 60_000,
    ...kubernetes
  },
  nlb: {
    title: 'a Network Load Balancer of AWS with pods as targets',
    lag: [120_000, 120_000],
    checks: { interval: 10_000, timeout: 10_000, failures: 3, successes: 3, userAgent: 'ELB-HealthChecker/2.0' },
    grace: 180_000,
    ...kubernetes
  },
  'gke-neg': {
    title: "GKE's container-native load balancing",
    checks: { interval: 5000, timeout: 5000, failures: 2, successes: 2, userAgent: 'GoogleHC/1.0' },
    pool: 600_000,
    grace: 75_000,
    ...kubernetes
  },
  'gke-l4': {
    title: "GKE's passthrough load balancer with externalTrafficPolicy: Local",
    lag: [6000, 12_000],
    checks: {
      interval: 5000, timeout: 2000, failures: 2, successes: 1, userAgent: 'kube-probe/1.34', isLocal: true
    },
    grace: 45_000,
    ...kubernetes
  },
  envoy: { title: 'Envoy Gateway', lag: [1000, 2000], pool: 3_600_000, grace: 30_000, ...kubernetes },
  'haproxy-check': {
    title: 'HAProxy with httpchk',
    checks: { interval: 1000, timeout: 5000, failures: 2, successes: 1 },
    pool: 5000,
    grace: 30_000
  },
  'cloud-run': { title: 'Google Cloud Run', lag: [-1, -1], pool: 600_000, grace: 10_000, platform: 'cloud-run' },
  ecs: {
    title: 'Amazon ECS behind an Application Load Balancer',
    lag: [0, 8000], pool: 60_000, grace: 30_000, platform: 'ecs'
  },
  never: { title: 'a balancer that nobody tells', isPassive: true, grace: 30_000 }
}

/** What the front of this name is; a number of seconds stands for kube-proxy with that lag. */
export function frontNamed (name: string): FrontPreset | undefined {
  if (Object.hasOwn(frontPresets, name)) return frontPresets[name]
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(name) ? Number(name) * 1000 : Number.NaN
  if (!(seconds <= 3_600_000)) return undefined
  return { ...frontPresets['kube-proxy']!, title: `a balancer that stops after ${name} s`, lag: [seconds, seconds] }
}

import { invalidArgument, takeOptions } from '../errors.ts'
import { longestTimer } from '../util/given.ts'

/** Which probe asks a check: `/readyz`, `/livez`, `/startupz`. */
export const checkKinds = ['readiness', 'liveness', 'startup'] as const

/** One of the three {@link checkKinds}. */
export type CheckKind = (typeof checkKinds)[number]

/** What a check is told. */
export interface CheckContext {
  /** Aborts when the check's time is up, and when the application closes. */
  signal: AbortSignal
}

/** Fails by throwing, by rejecting, or by answering `false` (or a promise of it). Any other answer passes. */
export type Check = (context: CheckContext) => unknown

/** How a check is run. Times are milliseconds. */
export interface CheckOptions {
  /** The probes that ask it. Default: `['readiness']`. */
  kinds?: readonly CheckKind[]
  /** After this long without an answer it fails. Default: 1000. */
  timeout?: number
  /**
   * A result younger than this is answered again without running the check; 0 runs it for every probe that finds no
   * run under way. Ten runs may follow each other at once, and then one each 100 ms, for which probes wait. Default:
   * 5000.
   */
  ttl?: number
  /**
   * Runs the check by itself, this long after its last answer; probes then get the last result, whatever its age, and
   * `ttl` has no meaning. The first run comes with the first question. Default: run only when a probe asks.
   */
  interval?: number
  /**
   * Whether the probes that ask it fail with it. `false` for what the service can do without: a failure is shown as
   * `degraded` and fails nothing, and a probe waits at most 250 ms for it. Default: `true`.
   */
  critical?: boolean
}

/** A health route for a balancer that asks by itself and wants an answer of its own. */
export interface ExternalProbeOptions {
  /** The route, as it stands: `probes.prefix` is not put before it. */
  path: string
  /** The status while the service leaves or is held: 404 for HAProxy's `http-check disable-on-404`. Default: 503. */
  status?: number
  /** How long it stays good in phase 1, in milliseconds. Default: 0. */
  delay?: number
}

/** Health routes. */
export interface ProbesOptions {
  /** Put before `/livez`, `/readyz` and `/startupz`. Default: `''`. */
  prefix?: string
  /** Whether answers tell why a check failed. Default: `false`. */
  expose?: boolean
  /** A route of its own for an external balancer. Default: `false`. */
  external?: ExternalProbeOptions | false
}

/** {@link CheckOptions} with the defaults filled in. */
export interface ResolvedCheckOptions {
  kinds: ReadonlySet<CheckKind>
  timeout: number
  ttl: number
  interval: number | undefined
  critical: boolean
}

/** The defaults of {@link CheckOptions}. */
const checkDefaults = {
  kinds: ['readiness'],
  timeout: 1000,
  ttl: 5000,
  interval: undefined,
  critical: true
} as const

/** Names that the built-in parts of a verdict use. */
const reservedNames: readonly string[] = ['ping', 'started', 'shutdown', 'hold', 'pressure']

/** Fastify's router answers 404 to longer path segments by default. */
const maxNameLength = 100

/**
 * Checks the name of a check: it is a path segment of `/readyz/<name>` and a line of the verdict.
 *
 * @throws FST_GRACEFUL_INVALID_ARGUMENT
 */
export function validateName (name: unknown): asserts name is string {
  const what = "the name of a check ('addCheck')"
  if (typeof name !== 'string' || name === '' || name.length > maxNameLength || /[/\p{Cc}]/u.test(name)) {
    throw invalidArgument(
      what,
      `a non-empty string of at most ${maxNameLength} characters, without '/' and control characters`,
      name
    )
  }
  if (reservedNames.includes(name)) {
    throw invalidArgument(what, `none of the built-in names ${reservedNames.join(', ')}`, name)
  }
}

/**
 * Checks the arguments of `addCheck` and fills in the defaults; the caller's object stays as it is.
 *
 * @throws FST_GRACEFUL_INVALID_ARGUMENT
 * @throws FST_GRACEFUL_UNKNOWN_OPTION
 */
export function resolveCheckOptions (name: string, options: CheckOptions = {}): ResolvedCheckOptions {
  const taken = takeOptions(options, `check '${name}'`, Object.keys(checkDefaults))
  const { interval } = taken
  const { timeout = checkDefaults.timeout, ttl = checkDefaults.ttl, critical = checkDefaults.critical } = taken
  const given: unknown = taken.kinds ?? checkDefaults.kinds
  const kinds: unknown = Array.isArray(given) ? [...given as unknown[]] : given
  if (!Array.isArray(kinds) || kinds.length === 0 || !kinds.every((kind) => checkKinds.includes(kind))) {
    throw invalidArgument(`option 'kinds' of check '${name}'`, `a non-empty array of ${checkKinds.join(', ')}`, kinds)
  }
  validateTime(name, 'timeout', timeout)
  if (ttl !== 0) validateTime(name, 'ttl', ttl)
  if (interval !== undefined) validateTime(name, 'interval', interval)
  if (typeof critical !== 'boolean') {
    throw invalidArgument(`option 'critical' of check '${name}'`, 'a boolean', critical)
  }
  return { kinds: new Set(kinds as readonly CheckKind[]), timeout, ttl, interval, critical }
}

function validateTime (name: string, option: string, value: unknown): void {
  if (typeof value === 'number' && value > 0 && value <= longestTimer) return
  throw invalidArgument(
    `option '${option}' of check '${name}'`,
    `a number of milliseconds, more than 0 and at most ${longestTimer}`,
    value
  )
}

/** How many names, and how much of each, a warning repeats of what a stranger sent. */
const warned = { names: 10, length: 64 }

/** What is said of names that a prober wants excluded, and that no check has. */
export function excludeWarnings (unknown: readonly string[]): string[] {
  if (unknown.length === 0) return []
  const names = unknown.slice(0, warned.names).map((name) => JSON.stringify(name.slice(0, warned.length)))
  return [`some health checks cannot be excluded: no matches for ${names.join(',')}`]
}

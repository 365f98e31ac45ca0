import { errors, invalidArgument } from '../errors.ts'
import { epochNow } from '../clock.ts'
import type { CheckStatus } from '../status/model.ts'
import { clipList } from '../util/text.ts'
import { excludeWarnings, resolveCheckOptions, validateName } from './options.ts'
import type { Check, CheckKind, CheckOptions } from './options.ts'
import { CheckRunner } from './runner.ts'
import type { Outcome } from './runner.ts'

/** What the health room needs of the others. */
export interface HealthPorts {
  /** Calls a check, and logs it, in no context of a probe. Default: calls it. */
  run?: <T>(work: () => T) => T
  /** Milliseconds of a clock that never goes backwards. */
  now: () => number
  /** Calls back once after `delay` milliseconds, without keeping the process; the answer cancels it. */
  after: (delay: number, callback: () => void) => () => void
  /** Whether boot is over. */
  started: () => boolean
  /** Whether readiness has to fail because of the phase. */
  announced: () => boolean
  /** The reasons of all who hold. */
  holds: () => string[]
  /** The reasons of those for whom the start waits. Default: nobody. */
  startupHolds?: () => string[]
  /** Whether the application is under pressure; undefined where pressure has no part in readiness. Default: no part. */
  pressure?: () => boolean | undefined
  /** Milliseconds since 1970. Default: the system's. */
  epoch?: () => number
  /** Where a check that turns is written. */
  log: { warn (details: object, message: string): void, info (details: object, message: string): void }
}

/** One line of a {@link Verdict}. Times are milliseconds. */
export interface CheckVerdict {
  name: string
  /** True as well where the check was excluded. */
  ok: boolean
  /** Whether the verdict fails with it. */
  critical: boolean
  /** Left out because the prober asked for that: not run at all. */
  excluded: boolean
  /** Why it fails: to be withheld from strangers. */
  output?: string
  /** How long its last run took. */
  duration: number
  /** How long ago that was. */
  age: number
  /** When that was, since 1970. */
  time: number
  /** Each probe runs it (`ttl: 0`). */
  perProbe?: true
}

/** What a probe is answered with. */
export interface Verdict {
  kind: CheckKind
  ok: boolean
  /** Built-in checks first, then the others in the order they were added. */
  checks: CheckVerdict[]
  /** One sentence each. */
  warnings: string[]
}

/** Whether a verdict over these is good: one that is not critical fails nothing. */
export function isPassing (checks: readonly CheckVerdict[]): boolean {
  return checks.every(({ ok, critical }) => ok || !critical)
}

/**
 * How many milliseconds a probe waits for checks that are not critical: one that hangs must not exhaust the timeout of
 * the prober, which is 1 s for a kubelet.
 */
const patience = 250

/** What of a verdict is asked for. */
export interface VerdictOptions {
  /** Names of checks that are left out. */
  exclude?: readonly string[]
  /** The only check to ask; `exclude` has no meaning then. An unknown name gives a verdict without checks. */
  only?: string
  /** Leaves checks with `ttl: 0` at their last outcome if they have one: nobody has probed. Default: `false`. */
  isIdle?: boolean
}

/** What `addCheck` answers: call `remove`, or let `using` do it. */
export interface AddedCheck extends Disposable {
  /** Takes the check out of every verdict; a second call does nothing. */
  remove (): void
}

/** The checks of an application, and the verdict over them. */
export class Health {
  readonly #ports: HealthPorts
  readonly #runners = new Map<string, CheckRunner>()
  #stopped = false

  constructor (ports: HealthPorts) {
    this.#ports = ports
  }

  /**
   * Adds a check.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
   * @throws FST_GRACEFUL_DUPLICATE_CHECK a check of this name exists
   */
  addCheck (name: string, check: Check, options?: CheckOptions): AddedCheck {
    validateName(name)
    if (typeof check !== 'function') throw invalidArgument(`check '${name}'`, 'a function', check)
    const resolved = resolveCheckOptions(name, options)
    if (this.#runners.has(name)) throw new errors.FST_GRACEFUL_DUPLICATE_CHECK(name)
    const { now, after, run } = this.#ports
    const runner = new CheckRunner(name, check, resolved, { now, after, run, turned: (...turn) => this.#log(...turn) })
    if (this.#stopped) runner.stop()
    this.#runners.set(name, runner)
    const remove = (): void => {
      if (this.#runners.get(name) !== runner) return
      this.#runners.delete(name)
      runner.stop()
    }
    return { remove, [Symbol.dispose]: remove }
  }

  /** Asks every check of a kind, each at most once per `ttl`. Never rejects, and settles within the longest timeout. */
  async verdict (kind: CheckKind, options: VerdictOptions = {}): Promise<Verdict> {
    const excluded = new Set(options.only === undefined ? options.exclude : [])
    const isAsked = (name: string): boolean => options.only === undefined || options.only === name
    const runners = this.#runnersOf(kind).filter((runner) => isAsked(runner.name))
    const isLeft = (runner: CheckRunner): boolean =>
      excluded.has(runner.name) || (options.isIdle === true && runner.perProbe && runner.last !== undefined)
    const outcomes = await Promise.all(runners.map(async (runner) =>
      isLeft(runner) ? undefined : this.#outcomeOf(runner, options.only !== undefined)))
    // What costs nothing is looked at last, so that a phase that began meanwhile counts.
    const builtIn = [...this.#builtIn(kind)].filter(([name]) => isAsked(name))
    const checks = [
      ...builtIn.map(([name, output]) =>
        this.#line(name, true, excluded.has(name) ? undefined : this.#instant(output))),
      ...runners
        .map((runner, index) =>
          this.#lineOf(runner, outcomes[index] ?? (excluded.has(runner.name) ? undefined : runner.last)))
        .filter(({ name }) => this.#runners.has(name))
    ]
    for (const { name } of checks) excluded.delete(name)
    return { kind, ok: isPassing(checks), checks, warnings: excludeWarnings([...excluded]) }
  }

  /**
   * Whether the last known readiness is good; a check that has not run yet is not ready. Once boot is over, whatever
   * is older than its `ttl` is asked again in the background, so that a later call knows.
   */
  ready (): boolean {
    if (this.#ports.started()) for (const runner of this.#runnersOf('readiness')) runner.refresh()
    return this.lastReady()
  }

  /** Whether the last known readiness is good. Asks no check, which whoever reads it often would keep from resting. */
  lastReady (): boolean {
    return [...this.#builtIn('readiness').values()].every((output) => output === undefined) &&
      this.#runnersOf('readiness').every((runner) => !runner.options.critical || runner.last?.ok === true)
  }

  /** The checks that were added, with their last outcome. Asks nobody. */
  checks (): CheckStatus[] {
    return [...this.#runners.values()].map(({ name, options, last }) => ({
      name,
      kinds: [...options.kinds],
      critical: options.critical,
      state: last === undefined ? 'unknown' : last.ok ? 'passing' : options.critical ? 'failing' : 'degraded',
      age: last === undefined ? undefined : Math.round(this.#ports.now() - last.at),
      duration: last === undefined ? undefined : Math.round(last.duration),
      error: last?.output
    }))
  }

  /** No timer is left, and no check is run any more. */
  stop (): void {
    this.#stopped = true
    for (const runner of this.#runners.values()) runner.stop()
  }

  #runnersOf (kind: CheckKind): CheckRunner[] {
    return [...this.#runners.values()].filter((runner) => runner.options.kinds.has(kind))
  }

  /** The built-in checks of a kind, with why they fail; undefined where they pass. */
  #builtIn (kind: CheckKind): Map<string, string | undefined> {
    const { started, announced, holds, startupHolds, pressure } = this.#ports
    if (kind === 'liveness') return new Map([['ping', undefined]])
    const checks = new Map([['started', started() ? undefined : 'the application has not booted yet']])
    if (kind === 'startup') {
      const waited = startupHolds?.() ?? []
      return waited.length > 0 ? checks.set('hold', clipList(waited)) : checks
    }
    const reasons = holds()
    const underPressure = pressure?.()
    checks.set('shutdown', announced() ? 'process is shutting down' : undefined)
    checks.set('hold', reasons.length > 0 ? clipList(reasons) : undefined)
    if (underPressure !== undefined) {
      checks.set('pressure', underPressure ? 'the application is under pressure' : undefined)
    }
    return checks
  }

  #instant (output: string | undefined): Outcome {
    return { ok: output === undefined, output, duration: 0, at: this.#ports.now() }
  }

  async #outcomeOf (runner: CheckRunner, asked: boolean): Promise<Outcome> {
    if (runner.options.critical || asked) return runner.outcome()
    return await runner.outcomeWithin(patience) ?? this.#instant(`has not answered within ${patience} ms`)
  }

  #lineOf ({ name, options: { critical }, perProbe }: CheckRunner, outcome: Outcome | undefined): CheckVerdict {
    const line = this.#line(name, critical, outcome)
    return perProbe ? { ...line, perProbe } : line
  }

  #line (name: string, critical: boolean, outcome: Outcome | undefined): CheckVerdict {
    const age = outcome === undefined ? 0 : this.#ports.now() - outcome.at
    const line: CheckVerdict = {
      name,
      ok: outcome?.ok ?? true,
      critical,
      excluded: outcome === undefined,
      duration: outcome?.duration ?? 0,
      age,
      time: (this.#ports.epoch ?? epochNow)() - age
    }
    return outcome?.output === undefined ? line : { ...line, output: outcome.output }
  }

  #log (check: string, outcome: Outcome, error: unknown): void {
    const { log } = this.#ports
    if (outcome.ok) {
      log.info({ check }, `health check '${check}' passes again`)
      return
    }
    const remark = this.#runners.get(check)?.options.critical === false ? ', and is not critical' : ''
    log.warn({ check, err: error }, `health check '${check}' fails${remark}: ${outcome.output}`)
  }
}

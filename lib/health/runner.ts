import { messageOf } from '../errors.ts'
import { clip } from '../util/text.ts'
import type { Check, ResolvedCheckOptions } from './options.ts'

/**
 * With a `ttl` of 0, a reader that does not wait starts a run only after this many milliseconds: a page that is watched
 * would run the check at each look.
 */
const refreshInterval = 500

/**
 * Runs of a check that may follow each other at once, whoever asks, and milliseconds from one to the next of any more:
 * a stranger who asks without a pause has no check run without one. Who comes too soon waits for the next run, with all
 * others who do, and is told nothing that is old.
 */
const pace = { atOnce: 10, interval: 100 } as const

/** Probes that wait for a run at most. Whoever comes while so many do is answered at once with what is known. */
const mostWaiting = 1000

/** What a run of a check came to. Times are milliseconds. */
export interface Outcome {
  ok: boolean
  /** Why it failed. */
  output: string | undefined
  /** How long it took. */
  duration: number
  /** When it was known, on the clock of {@link RunnerPorts.now}. */
  at: number
}

/** What a runner needs of the world. */
export interface RunnerPorts {
  /** Milliseconds of a clock that never goes backwards. */
  now: () => number
  /** Calls back once after `delay` milliseconds; the answer cancels it. */
  after: (delay: number, callback: () => void) => () => void
  /** Calls what a run sets off outside the context of a probe, as several wait for one run. Default: calls it. */
  run?: (<T>(work: () => T) => T) | undefined
  /** Called when a check starts to fail, and when it passes again. */
  turned: (name: string, outcome: Outcome, error: unknown) => void
}

interface Run {
  /** The outcome, at the latest when the check's time is up. */
  outcome: Promise<Outcome>
  /** Ends the run for those who wait; later calls do nothing. */
  end: (ok: boolean, output: string | undefined, error?: unknown) => void
  controller: AbortController
  /** How many wait for it. */
  waiting: number
  /** Whether its outcome is known while its promise has not settled: it hangs. */
  over: boolean
}

/**
 * Runs one check: never twice at the same time, however many probes ask, and no probe waits longer than its timeout.
 */
export class CheckRunner {
  readonly name: string
  readonly options: ResolvedCheckOptions
  readonly #check: Check
  readonly #ports: RunnerPorts
  #last: Outcome | undefined
  /** Stays while the check's promise is pending, even beyond its timeout, so that a hung check is not started again. */
  #run: Run | undefined
  #cancelInterval: (() => void) | undefined
  /** When the next run may begin that nothing is saved up for. */
  #due = -Infinity
  #stopped = false

  constructor (name: string, check: Check, options: ResolvedCheckOptions, ports: RunnerPorts) {
    this.name = name
    this.options = options
    this.#check = check
    this.#ports = ports
    this.#schedule()
  }

  /** Whether each probe runs it. */
  get perProbe (): boolean {
    return this.options.ttl === 0 && this.options.interval === undefined
  }

  /** The last known outcome; undefined before the first. */
  get last (): Outcome | undefined {
    return this.#last
  }

  /**
   * The outcome a probe is answered with: a young one at once, else that of the one run that is under way. Where too
   * many wait for that one, the last that is known.
   */
  outcome (): Outcome | Promise<Outcome> {
    const last = this.#last
    if (last !== undefined && (this.#stopped || this.#run?.over === true || this.#isFresh(last))) return last
    if (this.#stopped) return this.#outcome(false, 'health checks have stopped', this.#ports.now())
    const run = this.#run ?? this.#start(this.#wait())
    if (run.waiting >= mostWaiting) return last ?? this.#outcome(false, 'has not answered yet', this.#ports.now())
    run.waiting++
    return run.outcome
  }

  /** The outcome, where it comes within `delay` milliseconds; else the last one, undefined where there is none yet. */
  async outcomeWithin (delay: number): Promise<Outcome | undefined> {
    const outcome = this.outcome()
    if (!(outcome instanceof Promise)) return outcome
    return new Promise((resolve) => {
      const cancel = this.#ports.after(delay, () => resolve(this.#last))
      void outcome.then((known) => {
        cancel()
        resolve(known)
      })
    })
  }

  /** Starts a run where the last outcome is too old for a probe. Nobody waits: {@link last} has its outcome later. */
  refresh (): void {
    if (this.#stopped || this.#run !== undefined) return
    const { ttl, interval } = this.options
    const last = this.#last
    if (last !== undefined && (interval !== undefined || this.#ports.now() - last.at < (ttl || refreshInterval))) return
    this.#start(this.#wait())
  }

  /** No timer is left, nobody waits any more, and the check is told. */
  stop (): void {
    this.#stopped = true
    this.#cancelInterval?.()
    this.#run?.end(false, 'health checks have stopped')
    this.#run?.controller.abort(new Error('health checks have stopped'))
  }

  #isFresh (last: Outcome): boolean {
    return this.options.interval !== undefined || this.#ports.now() - last.at < this.options.ttl
  }

  #schedule (): void {
    const { interval } = this.options
    this.#cancelInterval?.()
    if (interval === undefined || this.#stopped) return
    this.#cancelInterval = this.#ports.after(interval, () => {
      if (this.#run === undefined) this.#start(0)
      else this.#schedule()
    })
  }

  /** How many milliseconds a run has to wait that somebody asks for. */
  #wait (): number {
    const now = this.#ports.now()
    const due = Math.max(this.#due, now - (pace.atOnce - 1) * pace.interval)
    this.#due = due + pace.interval
    return Math.max(0, due - now)
  }

  #start (wait: number): Run {
    const { run } = this.#ports
    return run === undefined ? this.#begin(wait) : run(() => this.#begin(wait))
  }

  #begin (wait: number): Run {
    const { timeout } = this.options
    const { now, after } = this.#ports
    let since = now()
    let cancel: (() => void) | undefined
    const controller = new AbortController()
    let resolve!: (outcome: Outcome) => void
    const run: Run = {
      outcome: new Promise((_resolve) => { resolve = _resolve }),
      end: (ok, output, error) => {
        if (run.over) return
        run.over = true
        cancel?.()
        const outcome = this.#outcome(ok, output, since)
        this.#record(outcome, error)
        resolve(outcome)
      },
      controller,
      waiting: 0,
      over: false
    }
    this.#run = run
    const execute = (): void => {
      since = now()
      cancel = after(timeout, () => {
        const message = `did not answer within ${timeout} ms`
        run.end(false, message)
        controller.abort(new Error(`health check '${this.name}' ${message}`))
      })
      this.#execute(run)
    }
    if (wait > 0) cancel = after(wait, execute)
    else execute()
    return run
  }

  #execute (run: Run): void {
    const settle = (ok: boolean, output: string | undefined, error?: unknown): void => {
      this.#run = undefined
      run.end(ok, output, error)
    }
    // The check may throw before it answers.
    new Promise((resolve) => { resolve(this.#check({ signal: run.controller.signal })) }).then(
      (answer) => settle(answer !== false, answer === false ? 'answered false' : undefined),
      (error: unknown) => settle(false, clip(messageOf(error)), error)
    )
  }

  #outcome (ok: boolean, output: string | undefined, since: number): Outcome {
    const at = this.#ports.now()
    return { ok, output, duration: at - since, at }
  }

  #record (outcome: Outcome, error: unknown): void {
    const before = this.#last?.ok ?? true
    this.#last = outcome
    this.#schedule()
    if (before === outcome.ok || this.#stopped) return
    try {
      this.#ports.turned(this.name, outcome, error)
    } catch {
      // A log that fails must not end the process.
    }
  }
}

/** The grace period, cut into the times that everything else obeys. All in milliseconds. */
export interface Budget {
  /** From the start of preStop (or the signal, without one) to SIGKILL. */
  gracePeriod: number
  /** What a preStop hook takes before the signal. */
  preStop: number
  /** Kept for the exit: flush, report, the kernel. */
  reserve: number
  /** For `app.close()`. */
  close: number
  /** Cap of phase 2: 500 ms, less where the grace period is very short. */
  closing: number
  /** Phase 1. */
  announce: AnnounceBudget
}

/** The times of phase 1, in milliseconds. */
export interface AnnounceBudget {
  /** Floor of phase 1. */
  min: number
  /** Shortest silence that can end it. */
  quiet: number
  /** Its length where there were too few new connections for silence to mean anything. */
  blind: number
  /** Its cap. */
  max: number
  /** How long readiness still answers ready. */
  readinessDelay: number
}

/** The floors of phase 1 where nobody gives them. */
export type Floors = Pick<AnnounceBudget, 'min' | 'blind'>

/** What somebody gave; everything else gets its default. */
export interface BudgetInput {
  gracePeriod: number
  preStop: number
  reserve?: number | undefined
  close?: number | undefined
  announce?: Partial<AnnounceBudget> | undefined
}

/** A contradiction between given times: the option, what was expected, what was given. */
export interface BudgetProblem { option: string, expected: string, given: string }

/** Phase 2 only has to empty the accept queue, which takes microseconds where the event loop is free. */
const closingCap = 500

/** What phases 2 and 3 are left at least, of what preStop leaves. */
const drainingShare = (available: number): number => Math.min(5000, Math.floor(available / 4))

const seconds = (milliseconds: number): string => `${milliseconds} ms`

/**
 * Cuts the grace period. Defaults shrink with it, so that only given values can contradict each other.
 *
 * @param input what was given
 * @param floors by default none
 */
export function cutBudget (input: BudgetInput, floors: Floors = { min: 0, blind: 0 }): Budget {
  const { gracePeriod, preStop } = input
  const given = input.announce ?? {}
  // The process has only what preStop leaves it, so the shares are shares of that.
  const available = Math.max(0, gracePeriod - preStop)
  const share = (most: number, part: number): number => Math.min(most, Math.floor(available / part))
  const reserve = input.reserve ?? share(2000, 10)
  const close = input.close ?? share(5000, 6)
  const draining = drainingShare(available)
  const max = given.max ?? Math.max(0, available - reserve - close - draining)
  // A preStop hook has already given the balancer this much time.
  const floor = (ms: number): number => Math.min(Math.max(0, ms - preStop), max)
  return {
    gracePeriod,
    preStop,
    reserve,
    close,
    closing: Math.min(closingCap, Math.floor(draining / 2)),
    announce: {
      max,
      min: given.min === undefined ? floor(floors.min) : Math.max(0, given.min - preStop),
      blind: given.blind === undefined ? floor(floors.blind) : Math.max(0, given.blind - preStop),
      quiet: given.quiet ?? Math.min(1000, max),
      readinessDelay: given.readinessDelay ?? 0
    }
  }
}

/** What comes off the grace period before anything else. */
type Deduction = 'preStop' | 'reserve' | 'close'

/**
 * Finds what does not add up, with the sum in words; undefined where all is well.
 *
 * @param given the deductions that somebody chose. Where nothing is left, the largest of them is at fault, or
 * without any the grace period
 */
export function checkBudget (budget: Budget, given: readonly Deduction[] = []): BudgetProblem | undefined {
  const { gracePeriod, preStop, reserve, close, closing, announce } = budget
  const rest = gracePeriod - preStop - reserve - close - closing
  const parts = `gracePeriod ${seconds(gracePeriod)} - preStop ${seconds(preStop)} - reserve ${seconds(reserve)} - `
    + `close ${seconds(close)} - closing ${seconds(closing)}`
  if (rest <= 0) {
    const largest = given.toSorted((a, b) => budget[b] - budget[a])[0]
    const limit = largest === undefined ? 0 : rest + budget[largest]
    if (largest !== undefined && limit > 0) {
      return {
        option: largest,
        expected: `less than ${seconds(limit)} (${parts.replace(` - ${largest} ${seconds(budget[largest])}`, '')}), `
          + 'so that requests have time to finish',
        given: seconds(budget[largest])
      }
    }
    return {
      option: 'gracePeriod',
      expected: `more than ${seconds(preStop + reserve + close + closing)} (preStop ${seconds(preStop)} + reserve `
        + `${seconds(reserve)} + close ${seconds(close)} + closing ${seconds(closing)}), `
        + 'so that requests have time to finish',
      given: seconds(gracePeriod)
    }
  }
  if (announce.max >= rest) {
    return {
      option: 'announce.max',
      expected: `less than ${seconds(rest)} (${parts}), so that requests have time to finish`,
      given: seconds(announce.max)
    }
  }
  for (const name of ['min', 'blind', 'quiet', 'readinessDelay'] as const) {
    if (announce[name] > announce.max) {
      return {
        option: `announce.${name}`,
        expected: `at most announce.max = ${seconds(announce.max)} (its default is ${parts} - draining `
          + `${seconds(drainingShare(gracePeriod - preStop) - closing)})`,
        given: announced(name, announce[name], preStop)
      }
    }
  }
  return undefined
}

/** A time of phase 1 as it was given: preStop has been taken off the floors. */
function announced (name: keyof AnnounceBudget, time: number, preStop: number): string {
  return preStop > 0 && (name === 'min' || name === 'blind')
    ? `${seconds(time + preStop)}, less preStop ${seconds(preStop)}`
    : seconds(time)
}

import { clearTimeout, setTimeout } from 'node:timers'
import { phases } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import { metricPrefix } from '../../metrics/table.ts'
import type { MetricsText, RefusedMetrics } from '../protocol.ts'

/** What the thread knows itself of the application whose metrics are served. Times are milliseconds. */
export interface LiveValues {
  phase: Phase
  ready: boolean
  /** Undefined where they are too many to be counted off the loop. */
  requests: number | undefined
  /** Epoch milliseconds; undefined while no end is under way. */
  deadline: number | undefined
  /** How long the event loop has not turned. */
  silence: number
  blocked: boolean
}

/** How long the main thread is waited for, in milliseconds: a loop that is busy, but turns, answers within it. */
const patience = 200
/** A main thread that has not answered for this many milliseconds is asked again: the first question may be lost. */
const askAgain = 5000
/** A sample of ours: its name, its labels, and its value. */
const sample = new RegExp(`^${metricPrefix}(\\w+)(\\{.*\\})? \\S+$`, 'gm')
const phaseLabel = new RegExp(`\\bphase="(${phases.join('|')})"`)

/** Metrics off the loop: the main thread's last text, with what the thread knows better. */
export class Scrape {
  readonly #now: () => number
  readonly #request: () => void
  #last: MetricsText & { at: number } | RefusedMetrics | undefined
  #askedAt: number | undefined
  readonly #waiting = new Set<() => void>()

  /** @param request asks the main thread for its text, which {@link Scrape.receive} is given later, or never */
  constructor (now: () => number, request: () => void) {
    this.#now = now
    this.#request = request
  }

  /** The main thread's answer; undefined where it has none to give. */
  receive (answer: MetricsText | RefusedMetrics | undefined): void {
    this.#askedAt = undefined
    if (answer !== undefined) this.#last = 'refused' in answer ? answer : { ...answer, at: this.#now() }
    for (const settle of this.#waiting) settle()
  }

  /** Asks, and waits for nobody. */
  refresh (): void {
    const now = this.#now()
    if (this.#askedAt !== undefined && now - this.#askedAt < askAgain) return
    this.#askedAt = now
    this.#request()
  }

  /**
   * The metrics as they are known now; undefined where the main thread has never given any.
   *
   * @param turns whether the event loop turns, so that it is worth asking
   */
  async read (turns: boolean, live: () => LiveValues): Promise<MetricsText | RefusedMetrics | undefined> {
    const begun = this.#now()
    if (turns) await this.#ask()
    if (this.#last === undefined || 'refused' in this.#last) return this.#last
    const { text, type, at } = this.#last
    return { text: edit(text, live(), this.#now() - at, at >= begun), type }
  }

  async #ask (): Promise<void> {
    this.refresh()
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(settle)
        resolve()
      }
      const timer = setTimeout(settle, patience)
      this.#waiting.add(settle)
    })
  }
}

/**
 * Writes the thread's own values into the text, whatever labels and order the registry gives. Of a
 * fresh text the main thread's own are at least as good.
 */
function edit (text: string, live: LiveValues, age: number, fresh: boolean): string {
  return text.replace(sample, (line, name: string, labels: string = '') => {
    const value = always(name, live, age) ?? (fresh ? undefined : stale(name, labels, live))
    return value === undefined ? line : `${metricPrefix}${name}${labels} ${value}`
  })
}

function always (name: string, { silence, blocked }: LiveValues, age: number): number | undefined {
  switch (name) {
    case 'event_loop_silence_seconds': return Math.round(silence) / 1000
    case 'event_loop_blocked': return blocked ? 1 : 0
    case 'metrics_age_seconds': return Math.round(age) / 1000
    default: return undefined
  }
}

function stale (name: string, labels: string, { phase, ready, requests, deadline }: LiveValues): number | undefined {
  switch (name) {
    case 'phase': return phaseLabel.exec(labels)?.[1] === phase ? 1 : 0
    case 'ready': return ready ? 1 : 0
    case 'requests_in_flight': return requests
    case 'deadline_timestamp_seconds': return (deadline ?? 0) / 1000
    default: return undefined
  }
}

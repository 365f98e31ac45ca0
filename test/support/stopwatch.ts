import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { delayOf } from './delay.ts'

/** What a time is judged by. */
export interface Timed {
  /** Milliseconds. */
  readonly time: number
  /** How many of them are the machine's, at the most. */
  readonly late: number
}

/** Milliseconds between two looks. */
const interval = 20
/** A timer that is as late as this is on time. */
const punctual = 5
/** So often does a bound depend on when this process gets to run: to begin, in between, and to hear of the end. */
const moments = 3

/**
 * A clock that also knows by how much the machine has delayed what it measures. On a machine that rests `late` is
 * close to nothing, and a bound holds as it is written; on a busy one it gives way by what was measured, and no more.
 *
 * The processes are those under test, and those that they start. What counts is how long the kernel has kept them
 * waiting for a processor: a process that blocks itself, or waits for what it need not, gains nothing by that. This
 * process, which watches them, counts with what its timers are late. Where it is under test itself, it is named among
 * the processes and judged as they are.
 */
export class Stopwatch implements Timed {
  readonly #subjects = new Map<number, { before: number, now: number }>()
  readonly #ticker: NodeJS.Timeout
  #begun = performance.now()
  #ended: number | undefined
  #expected = performance.now() + interval
  #worst = 0
  #sum = 0
  #ticks = 0

  constructor (...processes: Array<number | undefined>) {
    for (const pid of processes) if (pid !== undefined) this.follow(pid)
    this.#adopt(true)
    this.#ticker = setInterval(() => this.#tick(), interval).unref()
  }

  /** Counts one more process from now on. */
  follow (pid: number): void {
    const before = delayOf(pid)
    this.#subjects.set(pid, { before, now: before })
  }

  /** Begins anew. */
  restart (): this {
    this.#look()
    for (const subject of this.#subjects.values()) subject.before = subject.now
    this.#begun = performance.now()
    this.#expected = this.#begun + interval
    this.#worst = this.#sum = 0
    return this
  }

  /** What it shows stays as it is. */
  stop (): this {
    if (this.#ended !== undefined) return this
    this.#look()
    this.#notice()
    this.#ended = performance.now()
    clearInterval(this.#ticker)
    return this
  }

  get time (): number { return (this.#ended ?? performance.now()) - this.#begun }

  get late (): number {
    if (this.#ended === undefined) {
      this.#look()
      this.#notice()
    }
    let delay = 0
    for (const { before, now } of this.#subjects.values()) delay += now - before
    return delay + (this.#subjects.has(process.pid) ? 0 : Math.min(this.#sum, moments * this.#worst))
  }

  #tick (): void {
    this.#notice()
    this.#expected = performance.now() + interval
    // Who has children has them for a while.
    if (++this.#ticks % 10 === 0) this.#adopt(false)
    this.#look()
  }

  /** A timer that is due by now is late, whether it has been called or not. */
  #notice (): void {
    const late = performance.now() - this.#expected
    if (late < punctual) return
    this.#worst = Math.max(this.#worst, late)
    this.#sum += late
    this.#expected += late
  }

  #look (): void {
    // The figures of threads that have ended are gone, and so are those of a process.
    for (const [pid, subject] of this.#subjects) subject.now = Math.max(subject.now, delayOf(pid))
  }

  /** Counts the children of those that are counted; one that is new has been born since the clock began. */
  #adopt (isFirst: boolean): void {
    for (const pid of this.#subjects.keys()) {
      if (pid === process.pid) continue
      for (const child of childrenOf(pid)) {
        if (this.#subjects.has(child)) continue
        this.follow(child)
        if (!isFirst) this.#subjects.get(child)!.before = 0
      }
    }
  }
}

function childrenOf (pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    // It has ended, or the kernel does not tell.
    return []
  }
}

/** Asserts that something took as long as it may: up to `most`, and what the machine was late. */
export function inTime (
  t: Test,
  { time, late }: Timed,
  [least, most]: readonly [number, number],
  what = 'it took',
  details: object = {}
): void {
  const expected = least > 0 ? `${Math.round(least)} to ${most}` : `${most} at most`
  t.ok(
    time >= least && time <= most + late,
    `${what} ${Math.round(time)} ms, expected ${expected}, on a machine that was ${Math.round(late)} ms late`,
    details
  )
}

/**
 * Asserts what nobody can promise on a machine that was later than `most`: where it does not hold there, it is skipped,
 * and says why. Answers whether it holds.
 */
export function unlessLate (t: Test, holds: boolean, what: string, late: number, most: number): boolean {
  const isLate = !holds && late > most
  t.ok(holds || isLate, what, { skip: isLate && `on a machine that was ${Math.round(late)} ms late` })
  return holds
}

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { usageOf } from './delay.ts'
import type { Usage } from './delay.ts'

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
/** Milliseconds of processor time that an empty program of Node takes where the bounds were written. */
const punctualProgram = 40
/** A tick of the kernel's clock, by which it tells when a process began, in milliseconds. */
const kernelTick = 10

const { stdout } = spawnSync(process.execPath, [
  '--eval', 'const { user, system } = process.cpuUsage(); process.stdout.write(String((user + system) / 1000))'
], { encoding: 'utf8', env: {} })
/** How much of what is computed here is due to the machine: nothing on one as fast as that where bounds were written. */
const excess = 1 - Math.min(1, punctualProgram / Number(stdout))

/**
 * A clock that also knows by how much the machine has delayed what it measures. On a machine that rests `late` is
 * close to nothing, and a bound holds as it is written; on a busy one it gives way by what was measured, and no more.
 *
 * The processes are those under test, and those that they start. What counts is how long the kernel has kept them
 * waiting for a processor, and, of what they have computed, the part by which this processor is slower than the one
 * that the bounds were written on: a process that blocks itself, or waits for what it need not, gains nothing by that,
 * and one that computes too much has to answer for it in proportion. This process, which watches them, counts with
 * what its timers are late. Where it is under test itself, it is named among the processes and judged as they are.
 */
export class Stopwatch implements Timed {
  readonly #subjects = new Map<number, { before: Usage, now: Usage }>()
  readonly #ticker: NodeJS.Timeout
  #begun = performance.now()
  #ended: number | undefined
  #expected = performance.now() + interval
  #worst = 0
  #sum = 0
  #ticks = 0

  constructor (...processes: Array<number | undefined>) {
    for (const pid of processes) if (pid !== undefined) this.follow(pid)
    this.#adopt()
    this.#ticker = setInterval(() => this.#tick(), interval).unref()
  }

  /** Counts one more process from now on. */
  follow (pid: number): void {
    const before = usageOf(pid)
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
    for (const { before, now } of this.#subjects.values()) {
      delay += now.waited - before.waited + excess * (now.computed - before.computed)
    }
    return delay + (this.#subjects.has(process.pid) ? 0 : Math.min(this.#sum, moments * this.#worst))
  }

  #tick (): void {
    this.#notice()
    this.#expected = performance.now() + interval
    // Who has children has them for a while.
    if (++this.#ticks % 10 === 0) this.#adopt()
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
    for (const [pid, subject] of this.#subjects) {
      const { computed, waited } = usageOf(pid)
      subject.now = {
        computed: Math.max(subject.now.computed, computed), waited: Math.max(subject.now.waited, waited)
      }
    }
  }

  /** Counts the children of those that are counted, those born since the clock began from their birth on. */
  #adopt (): void {
    for (const pid of this.#subjects.keys()) {
      if (pid === process.pid) continue
      for (const child of childrenOf(pid)) {
        if (this.#subjects.has(child)) continue
        this.follow(child)
        if (isBornAfter(child, this.#begun)) this.#subjects.get(child)!.before = { computed: 0, waited: 0 }
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

/** Whether a process began after a moment of `performance.now()`. */
function isBornAfter (pid: number, moment: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The twenty-second field; the second one, the name in brackets, may have spaces.
    const startTime = Number(stat.slice(stat.lastIndexOf(')')).split(' ')[20])
    const since = Number(process.hrtime.bigint() / 1_000_000n) - startTime * kernelTick
    return since <= performance.now() - moment
  } catch {
    return false
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

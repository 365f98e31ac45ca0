import { shorten } from '../../errors.ts'
import { aTime, parseTime } from '../units.ts'
import { UsageError } from '../usage.ts'

/** One option of the command. */
export interface DrillOption {
  /** Without its dashes. */
  flag: string
  /** One letter that stands for it, too. */
  short?: string
  /** What stands for its value in the help; absent: it takes none. */
  value?: string
  /** What it does, in the help and in the docs. */
  text: string
  /** What holds where it is not given, as the help shows it. */
  default?: string
}

/** What was typed for each option, in the order of typing; a switch has an empty text. */
export class Given {
  /** Each option with its value, as they were typed one after the other. */
  readonly inOrder: ReadonlyArray<readonly [flag: string, value: string]>
  readonly #values = new Map<string, string[]>()

  constructor (inOrder: ReadonlyArray<readonly [flag: string, value: string]>) {
    this.inOrder = inOrder
    for (const [flag, value] of inOrder) this.#values.set(flag, [...this.#values.get(flag) ?? [], value])
  }

  has (flag: string): boolean {
    return this.#values.has(flag)
  }

  /** All values of an option that may be given several times. */
  all (flag: string): readonly string[] {
    return this.#values.get(flag) ?? []
  }

  /** The value of an option. @throws UsageError where it is given twice */
  text (flag: string): string | undefined {
    const values = this.all(flag)
    if (values.length > 1) throw wrong(`--${flag} is given ${values.length} times, expected once`)
    return values[0]
  }

  /** A whole number within bounds. */
  count (flag: string, otherwise: number, [least, most]: readonly [number, number]): number {
    const text = this.text(flag)
    if (text === undefined) return otherwise
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw unfit(flag, `a whole number from ${least} to ${most}`, text)
  }

  /** A time in milliseconds within bounds. */
  time (flag: string, otherwise: number, [least, most]: readonly [number, number]): number {
    const text = this.text(flag)
    if (text === undefined) return otherwise
    const value = parseTime(text)
    if (value === undefined) throw unfit(flag, aTime, text)
    if (value >= least && value <= most) return value
    throw unfit(flag, `a time from ${least} ms to ${most / 1000} s`, text)
  }
}

/** A mistake in what was typed. */
export function wrong (message: string): UsageError {
  return new UsageError(`drill: ${message}`)
}

/** A value that an option cannot have. */
export function unfit (flag: string, expected: string, given: string): UsageError {
  return wrong(`option '--${flag}' must be ${expected}, got '${shorten(given)}'`)
}

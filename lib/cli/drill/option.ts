import { shorten } from '../../util/text.ts'
import { parseArgs } from '../../util/node-util.ts'
import { aTime, parseTime, typed, UsageError } from '../usage.ts'

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

/** What was typed: options, and the service. */
export interface Typed {
  given: Given
  /** The service's file; undefined where a command was given by `--exec`. */
  file: string | undefined
  /** What follows the file, or the whole command. */
  rest: string[]
}

/** Everything behind it is the command that starts the service. */
const execFlag = 'exec'

/** Reads what was typed; undefined where only help is wanted. @throws UsageError */
export function parse (args: readonly string[], options: readonly DrillOption[]): Typed | undefined {
  const known = new Map(options.map((option) => [option.flag, option]))
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(options.map(({ flag, value, short }) => [flag, {
      type: value === undefined ? 'boolean' as const : 'string' as const,
      multiple: true,
      ...short === undefined ? {} : { short }
    }])),
    strict: false,
    allowPositionals: true,
    tokens: true
  })
  const values: Array<readonly [flag: string, value: string]> = []
  for (const token of tokens) {
    // A `--` before the service is as good as none.
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      return { given: new Given(values), file: token.value, rest: after(args, token.index) }
    }
    if (token.rawName === '--help' || token.rawName === '-h') return undefined
    if (token.rawName === `--${execFlag}`) {
      return { given: new Given(values), file: undefined, rest: args.slice(token.index + 1) }
    }
    const option = known.get(token.name)
    const names = [`--${option?.flag}`, `-${option?.short}`]
    if (option === undefined || !names.includes(token.rawName)) throw unknown(token.rawName, [...known.keys()])
    values.push([option.flag, valueOf(option, token.value, token.inlineValue)])
  }
  return { given: new Given(values), file: undefined, rest: [] }
}

/** The service's own arguments follow its file, with or without `--`. */
function after (args: readonly string[], index: number): string[] {
  const rest = args.slice(index + 1)
  return rest[0] === '--' ? rest.slice(1) : rest
}

function unknown (name: string, flags: readonly string[]): Error {
  const list = [...flags, execFlag].map((flag) => `--${flag}`).join(', ')
  return wrong(`unknown option '${shorten(typed(name))}', expected one of: ${list}`)
}

function valueOf ({ flag, value: placeholder }: DrillOption, value?: string, isInline?: boolean): string {
  if (placeholder === undefined) {
    if (value !== undefined) throw wrong(`option '--${flag}' takes no value, got '${shorten(value)}'`)
    return ''
  }
  if (value === undefined || (isInline !== true && /^-(?!\d|$)/.test(value))) {
    const got = value === undefined ? 'nothing' : `another option (what begins with - is written as --${flag}=-...)`
    throw wrong(`option '--${flag}' must be followed by ${placeholder}, got ${got}`)
  }
  return value
}

import { shorten } from '../../errors.ts'
import { parseArgs } from '../../util/node-util.ts'
import { typed } from '../usage.ts'
import { Given, wrong } from './option.ts'
import type { DrillOption } from './option.ts'

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

import { parseArgs } from '../../util/node-util.ts'
import { supervise } from '../../supervisor/index.ts'
import { readSupervisorOptions } from '../../supervisor/read-options.ts'
import { supervisorOptions } from '../../supervisor/options.ts'
import type { SupervisorOption } from '../../supervisor/options.ts'
import { checkScript } from '../../supervisor/parent/script.ts'
import { shorten } from '../../util/text.ts'
import { flagOf, packageKey, readConfig, readPackageKey, variableOf } from './config.ts'
import type { Command } from '../usage.ts'
import { anAmount, aTime, typed, UsageError } from '../usage.ts'

const optionLine = (option: SupervisorOption): string =>
  `  --${flagOf(option).padEnd(15)} ${variableOf(option).padEnd(26)} ${option.default.replaceAll('`', '')}`

const help = (): string => `Usage: fastify-graceful run [options] <file> [-- <arguments of the service>]

Runs a service in one or more processes that share its listeners.
SIGTERM and SIGINT shut all of them down, SIGHUP replaces one after the other.

Options (flag, variable, default); each also as key of "${packageKey}" in package.json:
${supervisorOptions.map(optionLine).join('\n')}

Times and amounts of memory carry their unit: 30s, 500ms, 2m, 512MiB, 500MB. What follows the file goes to the service.

Exit code: 0, or the first one of a child that is not 0; 64 for a wrong command, where nothing was started.`

/** `fastify-graceful run`. */
export const run: Command = {
  help,
  async act (args) {
    const { values, file, rest } = parse(args)
    if (values === undefined) return 'help'
    const config = readConfig(values, process.env, readPackageKey(process.cwd()))
    const options = { ...config.options, script: file, args: rest }
    // Once more than needed, for messages that name the flag, the variable or the key.
    readSupervisorOptions(options, process.env, config.nameOf)
    checkScript(file, () => '<file>')
    await supervise(options).done
    return undefined
  }
}

/** What was given. Without `values`, only help is wanted. */
type Given =
  | { values: Record<string, string>, file: string, rest: string[] }
  | { values: undefined, file?: never, rest?: never }

type Token = Extract<NonNullable<ReturnType<typeof parseArgs>['tokens']>[number], { kind: 'option' }>

const optionsByFlag: ReadonlyMap<string, SupervisorOption> =
  new Map(supervisorOptions.map((option) => [flagOf(option), option]))

/** The service's own arguments follow its file, with or without `--`. */
function parse (args: string[]): Given {
  // Not `strict`: that would take what belongs to the service for ours, and its messages are of many lines.
  const { tokens } = parseArgs({
    args,
    options: Object.fromEntries([...optionsByFlag].map(([flag, { kind }]) =>
      [flag, { type: kind === 'boolean' ? kind : 'string' as const }])),
    strict: false,
    allowPositionals: true,
    tokens: true
  })
  const file = tokens.find((token) => token.kind === 'positional')
  const own = tokens
    .slice(0, file === undefined ? undefined : tokens.indexOf(file))
    .filter((token) => token.kind === 'option')
  if (own.some(({ rawName, value, inlineValue }) => inlineValue !== true && (isHelp(rawName) || isHelp(value)))) {
    return { values: undefined }
  }
  const values = Object.fromEntries(own.map((token) => [token.name, readValue(token)]))
  if (file === undefined) {
    throw new UsageError(`run: expected the path of the service's file, got none${whereItWent(own.at(-1))}`)
  }
  const rest = args.slice(file.index + 1)
  return { values, file: file.value, rest: rest[0] === '--' ? rest.slice(1) : rest }
}

const isHelp = (text: string | undefined): boolean => text === '--help' || text === '-h'

function readValue ({ name, rawName, value, inlineValue }: Token): string {
  const option = rawName.startsWith('--') ? optionsByFlag.get(name) : undefined
  if (option === undefined) {
    const known = [...optionsByFlag.keys()].map((flag) => `--${flag}`).join(', ')
    throw new UsageError(`run: unknown option '${shorten(typed(rawName))}', expected one of: ${known}`)
  }
  if (option.kind === 'boolean') return value ?? 'true'
  // A number below 0 is no option: its own message says what was expected.
  const isOption = inlineValue !== true && /^-(?!\d)/.test(value ?? '')
  if (value === undefined || isOption) {
    const expected = option.kind === 'time' ? aTime : option.kind === 'bytes' ? anAmount : option.expected
    const got = isOption ? `another option (what begins with - is written as ${rawName}=-...)` : 'nothing'
    throw new UsageError(`run: option '${rawName}' must be followed by ${expected}, got ${got}`)
  }
  return value
}

/** The file is easily taken for the value of an option before it. */
function whereItWent (last: Token | undefined): string {
  if (last?.value === undefined || last.inlineValue || optionsByFlag.get(last.name)?.kind === 'secret') return ''
  return `: '${shorten(last.value)}' is the value of ${last.rawName}`
}

import { parseArgs } from 'node:util'
import { supervise } from '../cluster/index.ts'
import { readSupervisorOptions, supervisorOptions } from '../cluster/options.ts'
import { checkScript } from '../cluster/script.ts'
import { flagOf, packageKey, readConfig, readPackageKey, variableOf } from './config.ts'
import type { Command } from './command.ts'
import { UsageError } from './usage.ts'

const help = (): string => `Usage: fastify-graceful run [options] <file> [-- <arguments of the service>]

Runs a service in one or more processes that share its listeners.
SIGTERM and SIGINT shut all of them down, SIGHUP replaces one after the other.

Options (flag, variable, default); each also as key of "${packageKey}" in package.json:
${supervisorOptions.map((option) => `  --${flagOf(option).padEnd(15)} ${variableOf(option).padEnd(26)} ${option.default.replaceAll('`', '')}`).join('\n')}

Times carry their unit: 30s, 500ms, 2m.`

/** `fastify-graceful run`. */
export const run: Command = {
  summary: 'runs a service in one or more processes, and replaces them without a gap',
  help,
  async act (args) {
    const { values, positionals } = parse(args)
    const [script, ...rest] = positionals
    if (script === undefined) throw new UsageError('run: expected the path of the service\'s file, got none')
    const config = readConfig(values, process.env, readPackageKey(process.cwd()))
    const options = { ...config.options, script, args: rest }
    // Once more than needed, for messages that name the flag, the variable or the key.
    readSupervisorOptions(options, process.env, config.nameOf)
    checkScript(script, () => '<file>')
    await supervise(options).done
  }
}

/** The service's own arguments follow its file, with or without `--`. */
function parse (args: string[]): { values: Record<string, unknown>, positionals: string[] } {
  const options = Object.fromEntries(supervisorOptions.map((option) => [flagOf(option), { type: 'string' as const }]))
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true })
  const file = tokens.find((token) => token.kind === 'positional')
  const own = file === undefined ? args : args.slice(0, file.index)
  const rest = file === undefined ? [] : args.slice(file.index + 1)
  try {
    const { values } = parseArgs({ args: own, options, strict: true })
    return { values, positionals: file === undefined ? [] : [file.value, ...rest[0] === '--' ? rest.slice(1) : rest] }
  } catch (error) {
    throw new UsageError(`run: ${(error as Error).message}`)
  }
}

import { messageOf, shorten } from '../errors.ts'
import { version } from '../version.ts'
import type { Command } from './command.ts'
import { drillCommand } from './drill/command.ts'
import { probe } from './probe/command.ts'
import { run } from './run.ts'
import { status } from './status/command.ts'
import { complain, UsageError } from './usage.ts'

/** The subcommands by name. A new one is a line here and a file beside. */
const commands: Readonly<Record<string, Command>> = { run, status, probe, drill: drillCommand }

const overview = (): string => `Usage: fastify-graceful <command> [options]

${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`).join('\n')}

fastify-graceful <command> --help tells more, fastify-graceful --version which one this is.`

const commandOf = (name = ''): Command | undefined => Object.hasOwn(commands, name) ? commands[name] : undefined

async function main ([name, ...args]: string[]): Promise<void> {
  if (name === '--version') return print(version)
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    return print(commandOf(args[0])?.help() ?? overview())
  }
  const command = commandOf(name)
  if (command === undefined) {
    throw new UsageError(`expected one of the commands ${Object.keys(commands).join(', ')}, got '${shorten(name)}'`)
  }
  if (await command.act(args) === 'help') print(command.help())
}

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Runs what was typed, and says what was wrong with it. */
export async function start (given: string[]): Promise<void> {
  try {
    await main(given)
  } catch (error) {
    const { code } = error as { code?: unknown }
    const isUsage = error instanceof UsageError || String(code).startsWith('FST_GRACEFUL_')
    const message = messageOf(error).replace(/^(?!fastify-graceful)/, 'fastify-graceful: ')
    complain(isUsage ? message : String((error as Error).stack), isUsage, commandOf(given[0]) && given[0])
  }
}

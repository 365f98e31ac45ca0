#!/usr/bin/env node
import { messageOf, shorten } from '../errors.ts'
import { version } from '../version.ts'
import type { Command } from './command.ts'
import { run } from './run.ts'
import { status } from './status/command.ts'
import { mistakeExitCode, UsageError, usageExitCode } from './usage.ts'

/** The subcommands by name. A new one is a line here and a file beside. */
const commands: Readonly<Record<string, Command>> = { run, status }

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

const given = process.argv.slice(2)
try {
  await main(given)
} catch (error) {
  const wanted = error instanceof UsageError || String((error as { code?: unknown }).code).startsWith('FST_GRACEFUL_')
  const way = commandOf(given[0]) === undefined ? '' : `${given[0]} `
  const message = messageOf(error).replace(/^(?!fastify-graceful)/, 'fastify-graceful: ')
  const text = wanted ? `${message}\nSee fastify-graceful ${way}--help` : String((error as Error).stack)
  process.stderr.write(`${text}\n`)
  process.exitCode = wanted ? usageExitCode : mistakeExitCode
}

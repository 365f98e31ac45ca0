#!/usr/bin/env node
import { messageOf } from '../errors.ts'
import { version } from '../package.ts'
import type { Command } from './command.ts'
import { run } from './run.ts'
import { status } from './status/command.ts'
import { UsageError } from './usage.ts'

/** The subcommands by name. A new one is a line here and a file beside. */
const commands: Readonly<Record<string, Command>> = { run, status }

/** A mistake of whoever gave the options; for systemd's `RestartPreventExitStatus`. */
const usageCode = 2

const overview = (): string => `Usage: fastify-graceful <command> [options]

${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`).join('\n')}

fastify-graceful <command> --help tells more.`

async function main ([name, ...args]: string[]): Promise<void> {
  if (name === '--version') return print(version)
  if (name === undefined || name === '--help' || name === 'help') return print(overview())
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(`expected one of the commands ${Object.keys(commands).join(', ')}, got '${name}'`)
  if (args[0] === '--help') return print(command.help())
  await command.act(args)
}

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const wanted = error instanceof UsageError || String((error as { code?: unknown }).code).startsWith('FST_GRACEFUL_')
  process.stderr.write(wanted ? `${messageOf(error).replace(/^(?!fastify-graceful)/, 'fastify-graceful: ')}\nSee fastify-graceful --help\n` : `${String((error as Error).stack)}\n`)
  process.exitCode = error instanceof UsageError ? error.exitCode : usageCode
}

import { messageOf } from '../errors.ts'
import { shorten } from '../util/text.ts'
import { version } from '../build.ts'
import type { Command } from './usage.ts'
import { complain, UsageError } from './usage.ts'

/** The subcommands by name. A new one is an entry here and a file, which is read where it is asked for. */
const commands: Readonly<Record<string, { summary: string, load: () => Promise<Command> }>> = {
  run: {
    summary: 'runs a service in one or more processes, and replaces them without a gap',
    load: async () => (await import('./run/command.ts')).run
  },
  status: {
    summary: 'shows what services say of themselves, once or until they are gone',
    load: async () => (await import('./status/command.ts')).status
  },
  probe: {
    summary: 'asks a service whether it is healthy, for HEALTHCHECK, exec probes and scripts',
    load: async () => (await import('./probe/command.ts')).probe
  },
  drill: {
    summary: 'rehearses a rolling update of a service, and counts every lost request',
    load: async () => (await import('./drill/command.ts')).drillCommand
  },
  report: {
    summary: 'reads the log of a rollout, and says what to set',
    load: async () => (await import('./report/command.ts')).report
  }
}

const overview = (): string => `Usage: fastify-graceful <command> [options]

${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`).join('\n')}

fastify-graceful <command> --help tells more, fastify-graceful --version which one this is.`

const isCommand = (name = ''): boolean => Object.hasOwn(commands, name)

async function main ([name, ...args]: string[]): Promise<void> {
  if (name === '--version') return print(version)
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    return print((await commands[isCommand(args[0]) ? args[0]! : '']?.load())?.help() ?? overview())
  }
  if (!isCommand(name)) {
    throw new UsageError(`expected one of the commands ${Object.keys(commands).join(', ')}, got '${shorten(name)}'`)
  }
  const command = await commands[name]!.load()
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
    complain(isUsage ? message : String((error as Error).stack), isUsage, isCommand(given[0]) ? given[0] : undefined)
  }
}

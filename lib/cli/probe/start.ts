import { complain, UsageError } from '../usage.ts'
import { probe } from './command.ts'

/** Runs a probe, without what the other commands need. */
export async function start ([, ...args]: string[]): Promise<void> {
  try {
    if (await probe.act(args) === 'help') process.stdout.write(`${probe.help()}\n`)
  } catch (error) {
    const { message, stack } = error as Error
    const isUsage = error instanceof UsageError
    complain(isUsage ? `fastify-graceful: ${message}` : String(stack), isUsage, 'probe')
  }
}

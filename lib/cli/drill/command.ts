import {
  defaults, drill, drillWithFault, ImpossibleFault, observers as composed, probe, recordRun, startFront
} from '../../drill/index.ts'
import type { DrillObserver, DrillOptions, DrillRecord, RunRecord } from '../../drill/index.ts'
import { messageOf } from '../../errors.ts'
import type { Command } from '../usage.ts'
import { printable } from '../printable.ts'
import { UsageError } from '../usage.ts'
import { modeOf } from './kubernetes/modes.ts'
import { parse, wrong } from './option.ts'
import type { DrillOption } from './option.ts'
import { conclude, concludeFailure } from './output/conclude.ts'
import { Outputs } from './output/outputs.ts'
import { isPassed } from './output/words.ts'
import { exitCodeOf, optionGroups, platformEnvironment, readSettings } from './settings.ts'
import type { DrillSettings } from './settings.ts'
import { viewOf } from './view.ts'
import type { DrillView } from './view.ts'

/** What the engine is asked for. */
function drillOptions (settings: DrillSettings): DrillOptions {
  const { service, preset, update, load, replicas, replace, warmUp, coolDown } = settings
  const { readyPath, probe: ask = probe } = service
  return {
    ...update, ...load, replicas, replace, warmUp, coolDown,
    service: { ...service, env: platformEnvironment(settings, service.env ?? process.env) },
    startFront: (notice) =>
      startFront(preset, { path: readyPath ?? defaults.readyPath, isOptional: readyPath === undefined, ask }, notice)
  }
}

/** @throws UsageError where the service cannot have the fault */
async function runOnce (options: DrillOptions, { fault: plan }: DrillSettings): Promise<RunRecord> {
  if (plan === undefined) return recordRun(await drill(options))
  try {
    const { result, fault } = await drillWithFault(options, plan)
    return { ...recordRun(result), fault }
  } catch (error) {
    throw error instanceof ImpossibleFault ? wrong(error.message) : error
  }
}

/**
 * Rehearses the update as often as it is asked for.
 * @param observers hear of each of them
 * @throws Error where a replica does not get ready
 */
export async function rehearse (
  settings: DrillSettings, observers: readonly DrillObserver[]
): Promise<DrillRecord> {
  const { label, front, update, load, replicas, runs, maxLost, fault } = settings
  const records: RunRecord[] = []
  while (records.length < runs) {
    records.push(await runOnce({ ...drillOptions(settings), observer: composed(observers) }, settings))
  }
  return {
    version: 1, service: label, front, fault: fault?.name, replicas, grace: update.grace, rate: load.rate, maxLost,
    runs: records
  }
}

const optionLine = ({ flag, value = '', text, default: otherwise }: DrillOption): string =>
  `  ${`--${flag} ${value}`.padEnd(28)} ${text}${otherwise === undefined ? '' : ` (${otherwise})`}`

const help = (): string => `Usage: fastify-graceful drill [options] <file> [-- <arguments of the service>]
       fastify-graceful drill [options] --exec <command> [<argument> ...]
       fastify-graceful drill [options] --kubernetes deployment/<name>

Rehearses a rolling update of a service on this machine: starts replicas, puts a balancer in front and load on it,
replaces each replica as a Deployment does, and counts every request that was lost. Nothing is retried.

${optionGroups.map(([title, options]) => `${title}:\n${options.map(optionLine).join('\n')}`).join('\n\n')}

Times carry their unit: 30s, 500ms, 2m.

Exit code: 0 no more was lost than --max-lost says, 1 more was lost, 2 the service did not start, or the drill could
not be run, 64 a wrong command.`

/** The exit codes, besides those of wrong use. */
const [lostExitCode, unstartedExitCode] = [1, 2]

/** `fastify-graceful drill`. */
export const drillCommand: Command = {
  help,
  async act (args) {
    const typed = parse(args, optionGroups.flatMap(([, options]) => options))
    if (typed === undefined) return 'help'
    const mode = modeOf(typed)
    if (mode === 'here') await run(readSettings(typed))
    else if (mode === 'load') await (await import('./kubernetes/load.ts')).loadAlone(typed.given)
    else await (await import('./kubernetes/command.ts')).drillInCluster(typed.given)
    return undefined
  }
}

async function run (settings: DrillSettings): Promise<void> {
  // Replicas end with this process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(exitCodeOf(signal)))
  }
  // Whoever reads no more (`head`) is no error.
  process.stdout.on('error', () => process.exit())
  const outputs = new Outputs(settings.output)
  let view: DrillView | undefined
  const rehearseOnce = (one: DrillSettings): ReturnType<typeof rehearse> => {
    view = viewOf(outputs.text, process.env, one)
    return rehearse(one, [view.observer])
  }
  try {
    const record = await rehearseOnce(settings)
    process.exitCode = isPassed(record) ? 0 : lostExitCode
    await conclude(record, settings, outputs, rehearseOnce)
  } catch (error) {
    view?.close()
    if (error instanceof UsageError) throw error
    concludeFailure(messageOf(error), settings, outputs)
    process.stderr.write(`${messageOf(error).split('\n').map(printable).join('\n')}\n`)
    process.exitCode = unstartedExitCode
  }
}

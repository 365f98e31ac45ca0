import { constants } from 'node:os'
import { defaults } from '../../drill/index.ts'
import type { ServiceOptions, FrontPreset, UpdatePlan } from '../../drill/index.ts'
import { longestTimer } from '../../util/numbers.ts'
import { checkScript } from '../../supervisor/parent/script.ts'
import { typedTime } from '../usage.ts'
import { wrong } from './option.ts'
import type { DrillOption, Typed } from './option.ts'

/** How the service is started, and told to go. */
export const serviceOptions: readonly DrillOption[] = [
  { flag: 'port-env', value: '<name>', text: 'the variable that tells a replica its port', default: defaults.portEnv },
  {
    flag: 'ready-path', value: '<path>', default: defaults.readyPath,
    text: 'what answers 200 to 399 when a replica is ready'
  },
  { flag: 'boot', value: '<time>', text: 'how long a replica may take to be ready', default: typedTime(defaults.boot) }
]

/** The service, and what it is called. */
export interface ServicePlan {
  label: string
  service: ServiceOptions
}

/** Reads the service from what was typed. @throws UsageError */
export function readService ({ given, file, rest }: Typed): ServicePlan {
  const command = file === undefined ? rest : [process.execPath, ...process.execArgv, file, ...rest]
  const [program, ...args] = command
  if (program === undefined) throw wrong('expected the path of the service\'s file, or --exec and a command, got none')
  if (file !== undefined) checkScript(file, () => '<file>')
  const portEnv = given.text('port-env') ?? defaults.portEnv
  if (!/^[A-Za-z_]\w*$/.test(portEnv)) {
    throw wrong(`option '--port-env' must be the name of a variable, got '${portEnv}'`)
  }
  const readyPath = given.text('ready-path')
  if (readyPath !== undefined && !readyPath.startsWith('/')) {
    throw wrong(`option '--ready-path' must begin with /, got '${readyPath}'`)
  }
  return {
    label: file ?? rest.join(' '),
    service: {
      command: [program, ...args],
      portEnv,
      ownGroup: true,
      bootWithin: given.time('boot', defaults.boot, [100, longestTimer]),
      ...readyPath === undefined ? {} : { readyPath }
    }
  }
}

/**
 * The environment of a replica: what the platform would tell it, where nobody has set it.
 * @param env that of the user
 */
export function platformEnvironment (
  { preset, update }: { preset: FrontPreset, update: UpdatePlan }, env: NodeJS.ProcessEnv
): NodeJS.ProcessEnv {
  const { grace, preStop = 0 } = update
  return {
    ...preset.platform === undefined ? {} : { GRACEFUL_PLATFORM: preset.platform },
    TERMINATION_GRACE_PERIOD_SECONDS: String(grace / 1000),
    ...preStop === 0 ? {} : { PRESTOP_SECONDS: String(preStop / 1000) },
    ...env
  }
}

/** The exit code of a command that a signal has ended, as a shell tells it. */
export function exitCodeOf (signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

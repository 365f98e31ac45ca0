import { constants } from 'node:os'
import { defaults, faults, frontNamed, frontPresets, readAddress } from '../../drill/index.ts'
import type { FaultName, FaultPlan, FrontPreset, ServiceOptions, UpdatePlan } from '../../drill/index.ts'
import { checkScript } from '../../supervisor/parent/script.ts'
import { longestTimer } from '../../util/given.ts'
import { typedTime } from '../usage.ts'
import { kubernetesOptions } from './kubernetes/modes.ts'
import { loadOptions, readLoad } from './load-options.ts'
import type { LoadPlan } from './load-options.ts'
import { unfit, wrong } from './option.ts'
import type { DrillOption, Given, Typed } from './option.ts'
import { outputOptions, readOutput } from './output/outputs.ts'
import type { OutputPlan } from './output/outputs.ts'

/** How the service is started, and told to go. */
const serviceOptions: readonly DrillOption[] = [
  { flag: 'port-env', value: '<name>', text: 'the variable that tells a replica its port', default: defaults.portEnv },
  {
    flag: 'ready-path', value: '<path>', default: defaults.readyPath,
    text: 'what answers 200 to 399 when a replica is ready'
  },
  { flag: 'boot', value: '<time>', text: 'how long a replica may take to be ready', default: typedTime(defaults.boot) }
]

/** The service, and what it is called. */
interface ServicePlan {
  label: string
  service: ServiceOptions
}

/** Reads the service from what was typed. @throws UsageError */
function readService ({ given, file, rest }: Typed): ServicePlan {
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

/** The update, and what is in front of the service. */
const updateOptions: readonly DrillOption[] = [
  { flag: 'front', value: '<name>', text: 'what is in front, or the seconds it goes on', default: defaults.front },
  { flag: 'replicas', value: '<number>', text: 'replicas in service', default: String(defaults.replicas) },
  {
    flag: 'updates', value: '<number>', default: 'all',
    text: 'how many of them are replaced; with --kubernetes how often all are '
      + `(${defaults.restarts}); 0 for a control run`
  },
  { flag: 'grace', value: '<time>', text: 'from the end of a replica to SIGKILL', default: "the front's" },
  { flag: 'pre-stop', value: '<time>', text: 'a preStop hook before SIGTERM', default: typedTime(defaults.preStop) },
  { flag: 'stagger', value: '<time>', text: 'from replacement to replacement', default: 'the one before has left' },
  { flag: 'warm-up', value: '<time>', text: 'load before the first replacement', default: typedTime(defaults.warmUp) },
  { flag: 'cool-down', value: '<time>', text: 'load after the last one', default: typedTime(defaults.coolDown) },
  { flag: 'runs', value: '<number>', text: 'how many times the update is rehearsed', default: String(defaults.runs) },
  {
    flag: 'max-lost', value: '<number>', default: String(defaults.maxLost),
    text: 'how many requests of a run may be lost'
  }
]

/** How replicas are replaced. Times are milliseconds. */
interface UpdateSettings {
  replicas: number
  /** How many of them are replaced. */
  replace: number
  /** The name of what is in front. */
  front: string
  preset: FrontPreset
  update: UpdatePlan
  warmUp: number
  coolDown: number
  runs: number
  maxLost: number
}

/** Longest time that may be given, in milliseconds. */
const hour = 3_600_000
/** The longest that a front may take to find out that a replica has gone. */
const longestNotice = 60_000

/** Reads the update from what was typed. @throws UsageError */
export function readUpdate (given: Given): UpdateSettings {
  const front = given.text('front') ?? defaults.front
  const preset = frontNamed(front)
  if (preset === undefined) {
    throw unfit('front', `one of ${Object.keys(frontPresets).join(', ')}, or a number of seconds`, front)
  }
  const replicas = given.count('replicas', defaults.replicas, [1, 100])
  const grace = given.time('grace', preset.grace, [100, hour])
  const preStop = given.time('pre-stop', defaults.preStop, [0, hour])
  if (preStop >= grace && preStop > 0) {
    throw wrong(`option '--pre-stop' must be shorter than the grace period of ${grace / 1000} s`)
  }
  return {
    replicas,
    replace: given.count('updates', replicas, [0, replicas]),
    front,
    preset,
    update: {
      grace,
      preStop,
      noticeWithin: longestNotice,
      ...preset.lag === undefined ? {} : { lag: preset.lag },
      ...given.has('stagger') ? { stagger: given.time('stagger', 0, [0, hour]) } : {}
    },
    warmUp: given.time('warm-up', defaults.warmUp, [0, hour]),
    coolDown: given.time('cool-down', defaults.coolDown, [0, hour]),
    runs: given.count('runs', defaults.runs, [1, 1000]),
    maxLost: given.count('max-lost', defaults.maxLost, [0, Number.MAX_SAFE_INTEGER])
  }
}

const names = Object.keys(faults) as FaultName[]

/** What goes wrong during the update. */
const faultOptions: readonly DrillOption[] = [
  { flag: 'fault', value: '<name>', text: `what goes wrong meanwhile: ${names.join(', ')}`, default: 'nothing' },
  { flag: 'dependency', value: '<variable>', text: 'which variable says where the dependency is, for dependency-down' }
]

/** Reads the fault from what was typed; undefined where there is none. @throws UsageError */
export function readFault (given: Given, env: NodeJS.ProcessEnv): FaultPlan | undefined {
  const typed = given.text('fault')
  const dependency = given.text('dependency')
  const name = names.find((one) => one === typed)
  if (typed !== undefined && name === undefined) throw unfit('fault', `one of ${names.join(', ')}`, typed)
  if (name !== 'dependency-down') {
    if (dependency !== undefined) throw wrong("option '--dependency' needs '--fault dependency-down'")
    return name && { name }
  }
  if (dependency === undefined) throw wrong("option '--fault dependency-down' needs '--dependency <variable>'")
  const value = env[dependency]
  if (value === undefined) throw wrong(`option '--dependency' must be a variable that is set, got '${dependency}'`)
  if (readAddress(value) === undefined) {
    // It may hold a password.
    throw wrong(`option '--dependency' must be a variable with a URL or host:port, but ${dependency} holds neither`)
  }
  return { name, dependency }
}

/** The options by what they are about, as the help and the docs show them. */
export const optionGroups: ReadonlyArray<readonly [title: string, options: readonly DrillOption[]]> = [
  ['Service', serviceOptions],
  ['Update', updateOptions],
  ['Load', loadOptions],
  ['Fault', faultOptions],
  ['Kubernetes', kubernetesOptions],
  ['Output', outputOptions]
]

/** All that a drill needs to know. */
export interface DrillSettings extends ServicePlan, UpdateSettings {
  load: LoadPlan
  fault: FaultPlan | undefined
  output: OutputPlan
}

/** Puts together what was typed. @throws UsageError */
export function readSettings (typed: Typed): DrillSettings {
  const { given } = typed
  const [fault, output] = [readFault(given, process.env), readOutput(given)]
  if (fault !== undefined && output.tryAdvice) throw wrong("option '--try-advice' goes without '--fault'")
  return { ...readService(typed), ...readUpdate(given), load: readLoad(given), fault, output }
}

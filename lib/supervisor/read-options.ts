import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { readEnvironment } from '../environment.ts'
import type { Environment } from '../environment.ts'
import { conceal, errors, hidden, invalidOption, refuseUnknownOptions, typeName } from '../errors.ts'
import { defaultMessagePath } from '../platform/kubernetes/message.ts'
import { surroundingsOf, unknownGracePeriod } from '../platform/surroundings.ts'
import { boolean, isObject, modeOf } from '../rules.ts'
import type { Rule } from '../rules.ts'
import { defaultSocketMode } from '../server/socket-files.ts'
import { own } from '../util/given.ts'
import { show } from '../util/shown.ts'
import { defaults, supervisorOptions } from './options.ts'
import type { SuperviseOptions, SupervisorOptions, SupervisorSettings } from './options.ts'
import type { SupervisorLog } from './parent/terminal.ts'

/** Options that only a program can give, with their rules. */
const programOptions: Readonly<Record<Exclude<keyof SuperviseOptions, keyof SupervisorOptions>, Rule>> = {
  log: {
    expected: 'a logger with the methods info, warn and error',
    test: (value) =>
      isObject(value)
      && ['info', 'warn', 'error'].every((level) => typeof (value as Record<string, unknown>)[level] === 'function')
  },
  signals: boolean,
  exit: boolean
}

/** Kept of the grace period for the supervisor's own end: the last lines of its children, its own, the exit. */
const reserveOf = (gracePeriod: number): number => Math.min(1000, Math.floor(gracePeriod / 20))

/** What a program has given, with every default filled in but that of the logger. */
export interface SuperviseSettings {
  settings: SupervisorSettings
  log: SupervisorLog | undefined
  signals: boolean
  exit: boolean
}

/**
 * As {@link readSupervisorOptions}, for whatever a program gives.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_BUDGET,
 * FST_GRACEFUL_INVALID_ENVIRONMENT
 */
export function readSuperviseOptions (given: SuperviseOptions, env: NodeJS.ProcessEnv): SuperviseSettings {
  // Whatever it is, a token may be in it.
  if (!isObject(given)) {
    throw new errors.FST_GRACEFUL_INVALID_OPTION('options', 'an object', conceal(given), typeName(given))
  }
  const options = own(given)
  const known = ['script', 'args', ...supervisorOptions.map(({ name }) => name), ...Object.keys(programOptions)]
  refuseUnknownOptions(Object.keys(options), known)
  for (const [name, { expected, test }] of Object.entries(programOptions)) {
    const value = options[name as keyof SuperviseOptions]
    if (value !== undefined && !test(value)) {
      throw invalidOption(name, expected, value)
    }
  }
  const { log, signals = true, exit = true } = options
  const settings = readSupervisorOptions(options, env)
  // A process that goes on afterwards has no last word.
  const silent = { terminationMessagePath: undefined, stateDirectory: undefined }
  return { settings: exit ? settings : { ...settings, ...silent }, log, signals, exit }
}

/**
 * Checks the options and fills in the defaults. The caller's object is never changed.
 *
 * @param nameOf how the caller knows an option: by a flag, a variable, a key
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_BUDGET,
 * FST_GRACEFUL_INVALID_ENVIRONMENT
 */
export function readSupervisorOptions (
  given: SupervisorOptions,
  env: NodeJS.ProcessEnv,
  nameOf: (name: string) => string = (name) => name
): SupervisorSettings {
  const options = own(given)
  const { script, args = [] } = options
  if (typeof script !== 'string' || script === '') {
    throw invalidOption(nameOf('script'), "the path of the service's file", script)
  }
  if (!Array.isArray(args) || !args.every((argument) => typeof argument === 'string')) {
    throw invalidOption(nameOf('args'), 'an array of strings', args)
  }
  for (const { name, expected, test, kind } of supervisorOptions) {
    const value = options[name]
    if (value === undefined || test(value)) continue
    const shown = kind === 'secret' ? hidden : show(value)
    throw new errors.FST_GRACEFUL_INVALID_OPTION(nameOf(name), expected, shown, typeName(value))
  }
  const workers = options.workers === 'auto' ? usableCores() : options.workers ?? defaults.workers
  const { minReady = defaults.minReady, maxSurge = defaults.maxSurge } = options
  const { maxCrashes = defaults.maxCrashes, startTimeout = defaults.startTimeout } = options
  if (minReady > workers) {
    throw invalidOption(nameOf('minReady'), `at most the number of workers (${workers})`, minReady)
  }
  const environment = readEnvironment(env)
  return {
    script, args: [...args], workers, sticky: options.sticky === true && workers > 1,
    minReady, maxSurge, maxCrashes, startTimeout, maxMemory: options.maxMemory,
    ...readTimes(options, environment, nameOf), ...readContainer(environment), status: readStatus(options, nameOf)
  }
}

function readContainer (
  environment: Environment
): Pick<
  SupervisorSettings,
  'terminationMessagePath' | 'stateDirectory' | 'surroundings' | 'systemd' | 'inKubernetes' | 'inService'
> {
  const { options, speaksForContainer, inProduction, stateDirectory } = environment
  const surroundings = surroundingsOf(options, environment)
  const inKubernetes = surroundings.place?.name === 'kubernetes'
  const given = options['kubernetes.terminationMessagePath'] as string | undefined
  return {
    terminationMessagePath: speaksForContainer ? given ?? defaultMessagePath : undefined,
    stateDirectory,
    surroundings,
    systemd: speaksForContainer ? { extendTimeout: options['systemd.extendTimeout'] === true } : undefined,
    inKubernetes,
    inService: inKubernetes || inProduction
  }
}

type Times = Pick<SupervisorSettings, 'gracePeriod' | 'preStop' | 'childGracePeriod' | 'childTimeout'>

function readTimes (
  options: SupervisorOptions,
  environment: Environment,
  nameOf: (name: string) => string
): Times & Pick<SupervisorSettings, 'graceFrom'> {
  const { gracePeriod: given, preStop = 0 } = environment.options as { gracePeriod?: number, preStop?: number }
  const gracePeriod = options.gracePeriod ?? given
  if (gracePeriod !== undefined) return { ...cutTimes(gracePeriod, preStop, options, nameOf), graceFrom: 'given' }
  const { gracePeriod: assumed } = surroundingsOf(environment.options, environment)
  try {
    return { ...cutTimes(assumed, preStop, options, nameOf), graceFrom: 'platform' }
  } catch (error) {
    // What is only assumed refuses nothing that was said.
    if (assumed >= unknownGracePeriod) throw error
    return { ...cutTimes(unknownGracePeriod, preStop, options, nameOf), graceFrom: 'yielded' }
  }
}

function cutTimes (
  gracePeriod: number,
  preStop: number,
  options: SupervisorOptions,
  nameOf: (name: string) => string
): Times {
  const childTimeout = options.childTimeout ?? Math.min(5000, Math.floor(gracePeriod / 6))
  const reserve = reserveOf(gracePeriod)
  const childGracePeriod = gracePeriod - childTimeout - reserve
  const less = preStop > 0 ? ` - preStop ${preStop} ms` : ''
  // A child that has less than a second refuses to start.
  const tooShort = childGracePeriod - preStop < 1000
  if (tooShort && options.childTimeout !== undefined) {
    throw new errors.FST_GRACEFUL_BUDGET(
      nameOf('childTimeout'),
      `at most ${Math.max(0, gracePeriod - preStop - reserve - 1000)} ms, so that children have a grace `
        + `period of 1000 ms (gracePeriod ${gracePeriod} ms${less} - childTimeout - ${reserve} ms for the end `
        + 'of the supervisor)',
      `${childTimeout} ms`
    )
  }
  if (tooShort) {
    throw new errors.FST_GRACEFUL_BUDGET(
      nameOf('gracePeriod'),
      `more, so that children have a grace period of 1000 ms (gracePeriod${less} - childTimeout `
        + `${childTimeout} ms - ${reserve} ms for the end of the supervisor)`,
      `${gracePeriod} ms`
    )
  }
  return { gracePeriod, preStop, childGracePeriod, childTimeout }
}

function readStatus (options: SupervisorOptions, nameOf: (name: string) => string): SupervisorSettings['status'] {
  const { statusPort, statusHost = defaults.statusHost, statusSocket, statusSocketMode, statusToken: token } = options
  if (statusPort !== undefined && statusSocket !== undefined) {
    throw invalidOption(nameOf('statusSocket'), `left out where ${nameOf('statusPort')} is given`, statusSocket)
  }
  const mode = statusSocketMode === undefined ? defaultSocketMode : modeOf(statusSocketMode)
  if (statusSocket !== undefined) return { listen: { path: statusSocket }, token, unixSocket: { mode } }
  if (statusPort === undefined) return undefined
  return { listen: { port: statusPort, host: statusHost }, token, unixSocket: undefined }
}

/**
 * How many children `auto` means: the cores that the process may run on, or as much processor time
 * as the limits of its control groups leave, rounded down, at least 1. Node 20 knows nothing of
 * such limits, and would count all cores of a machine in a container that is allowed two.
 *
 * @param root where the system's files are
 */
export function usableCores (root = '/'): number {
  return Math.max(1, Math.floor(Math.min(availableParallelism(), ...groupsOf(root).map((group) => limitOf(group)))))
}

/** The directories of this process's control groups that may limit its processor time, the innermost first. */
function groupsOf (root: string): string[] {
  const groups: string[] = []
  // As of cgroups(7): `0::/path`, and in the first version one line for each group of controllers,
  // `4:cpu,cpuacct:/path`.
  for (const line of (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [, controllers, path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || !(controllers === '' || controllers.split(',').includes('cpu'))) continue
    const mount = join(root, 'sys/fs/cgroup', controllers)
    // A limit further out binds as well. In a container the path may be the host's, and only the
    // outermost directory exist.
    for (let group = join(mount, path); group.startsWith(mount); group = dirname(group)) groups.push(group)
  }
  return groups
}

/** Cores' worth of time; Infinity where there is no limit. */
function limitOf (group: string): number {
  const [quota, period] = read(join(group, 'cpu.max'))?.trim().split(' ')
    ?? [read(join(group, 'cpu.cfs_quota_us')), read(join(group, 'cpu.cfs_period_us'))]
  const limit = Number(quota) / Number(period)
  return limit > 0 ? limit : Infinity
}

function read (file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errors, hidden, refuseUnknownOptions, typeName } from '../../errors.ts'
import { show } from '../../util/shown.ts'
import { own, readVariable } from '../../util/given.ts'
import { supervisorOptions } from '../../supervisor/options.ts'
import type { SupervisorOption, SupervisorOptions } from '../../supervisor/options.ts'
import { anAmount, aTime, parseBytes, parseTime } from '../usage.ts'

/** What of a package file is read. */
export const packageKey = 'fastify-graceful'

/** Options without the service's file, and how each was given. */
export interface Config {
  options: Omit<SupervisorOptions, 'script'>
  /** The flag, variable or key that an option came from, for messages. */
  nameOf: (option: string) => string
}

/** `gracePeriod` is `--grace-period`; the one that is typed most has a short form. */
export function flagOf ({ name }: SupervisorOption): string {
  return name === 'gracePeriod' ? 'grace' : name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** `gracePeriod` is `GRACEFUL_RUN_GRACE`. */
export function variableOf (option: SupervisorOption): string {
  return `GRACEFUL_RUN_${flagOf(option).toUpperCase().replaceAll('-', '_')}`
}

/**
 * Puts the sources together: a flag wins over a variable, a variable over the key of `package.json`.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION
 */
export function readConfig (
  flags: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
  fromPackage: Readonly<Record<string, unknown>>
): Config {
  const [typed, keys] = [own(flags), own(fromPackage)]
  const names = new Map<string, string>()
  const options = Object.create(null) as Record<string, unknown>
  const known = supervisorOptions.map(({ name }) => name as string)
  refuseUnknownOptions(Object.keys(keys), known, nameInPackage)
  for (const option of supervisorOptions) {
    const [flag, variable] = [flagOf(option), variableOf(option)]
    const sources: Array<[name: string, value: unknown]> = [
      [`--${flag}`, typed[flag]],
      // An empty variable is what a Compose file makes of one that is not set.
      [variable, readVariable(env, variable) || undefined],
      [nameInPackage(option.name), keys[option.name]]
    ]
    const given = sources.find(([, value]) => value !== undefined)
    names.set(option.name, given?.[0] ?? `--${flag}`)
    if (given !== undefined) options[option.name] = read(option, ...given)
  }
  return { options, nameOf: (name) => names.get(name) ?? name }
}

/** The key of the nearest `package.json` at or above a directory; `{}` where there is none. */
export function readPackageKey (directory: string): Record<string, unknown> {
  for (let at = directory; ; at = dirname(at)) {
    const file = join(at, 'package.json')
    const text = readIfThere(file)
    if (text !== undefined) return keyOf(file, text)
    if (dirname(at) === at) return {}
  }
}

function readIfThere (file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function keyOf (file: string, text: string): Record<string, unknown> {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new errors.FST_GRACEFUL_INVALID_OPTION(file, 'valid JSON', show(text.slice(0, 20)), 'text')
  }
  const isThere = typeof content === 'object' && content !== null && Object.hasOwn(content, packageKey)
  const value = (isThere ? (content as Record<string, unknown>)[packageKey] : undefined) ?? {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    const name = `"${packageKey}" in package.json`
    throw new errors.FST_GRACEFUL_INVALID_OPTION(name, 'an object', hidden, typeName(value))
  }
  return value as Record<string, unknown>
}

const nameInPackage = (key: string): string => `"${packageKey}".${key} in package.json`

/** What a text stands for. Values of other types come from `package.json` and are checked later. */
function read (option: SupervisorOption, name: string, value: unknown): unknown {
  // JSON has no octal numbers: 400 would be 0620.
  if (option.kind === 'mode' && typeof value === 'number') {
    const expected = "a file mode from 0 to 0777, as text in octal ('0660')"
    throw new errors.FST_GRACEFUL_INVALID_OPTION(name, expected, show(value), typeName(value))
  }
  if (typeof value !== 'string') return value
  switch (option.kind) {
    case 'text':
    case 'secret':
    case 'mode':
      return value
    case 'boolean': return value === 'true' || (value !== 'false' && value)
    case 'time': return readDuration(name, value)
    case 'bytes': return readBytes(name, value)
    case 'workers': return value === 'auto' ? value : readCount(option, name, value)
    case 'count': return readCount(option, name, value)
  }
}

function readCount ({ expected }: SupervisorOption, name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new errors.FST_GRACEFUL_INVALID_OPTION(name, expected, show(value), 'text')
  return Number(value)
}

/**
 * A time with its unit, in milliseconds.
 *
 * @param name the flag, variable or key, for the message
 * @throws FST_GRACEFUL_INVALID_OPTION
 */
export function readDuration (name: string, value: string): number {
  const time = parseTime(value)
  if (time === undefined) throw new errors.FST_GRACEFUL_INVALID_OPTION(name, aTime, show(value), 'text')
  return time
}

function readBytes (name: string, value: string): number {
  const bytes = parseBytes(value)
  if (bytes === undefined) throw new errors.FST_GRACEFUL_INVALID_OPTION(name, anAmount, show(value), 'text')
  return bytes
}

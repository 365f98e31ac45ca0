import { validateHeaderName, validateHeaderValue } from 'node:http'
import { messageOf } from '../../errors.ts'
import { defaults, ofTheConnection } from '../../drill/index.ts'
import { unfit, wrong } from './option.ts'
import type { Given } from './option.ts'

type Headers = Record<string, string>

/** What the load is taken from: one option that names requests, with those typed behind it, which belong to it. */
export interface Source {
  flag: 'path' | 'har' | 'openapi' | 'websocket' | 'events'
  value: string
  headers: Headers
  data?: string
  origin?: string
  status?: readonly [number, number]
  weight?: number
}

/** Options that name requests, each with those that may follow it. */
const followers: Record<Source['flag'], readonly string[]> = {
  path: ['header', 'data', 'status', 'weight'],
  har: ['header', 'status', 'weight', 'origin'],
  openapi: ['header', 'status', 'weight'],
  websocket: ['header'],
  events: ['header']
}
const companions = ['header', 'data', 'status', 'weight', 'origin']
/** Those that hold for all requests where they are typed before the first. */
const general = ['header', 'status']

/** Adds a header that was typed, by its name in small letters. @throws UsageError */
export function addHeader (headers: Headers, flag: string, text: string): void {
  const [, name = '', value = ''] = /^([^:\s]+):\s*(.*)$/s.exec(text) ?? []
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch (error) {
    throw unfit(flag, `a header such as authorization:token (${messageOf(error)})`, text)
  }
  const key = name.toLowerCase()
  if (ofTheConnection.includes(key)) throw wrong(`option '--${flag}' cannot set ${key}, which the load itself sets`)
  headers[key] = value
}

function isSource (flag: string): flag is Source['flag'] {
  return Object.hasOwn(followers, flag)
}

function follow (source: Source | Omit<Source, 'flag'>, flag: string, value: string): void {
  if (flag === 'header') addHeader(source.headers, flag, value)
  if (flag === 'data') source.data = value
  if (flag === 'status') source.status = readStatus(value)
  if (flag === 'weight') source.weight = readWeight(value)
  if (flag === 'origin') source.origin = readOrigin(value)
}

/**
 * Reads where requests come from. `--header` and `--status` before the first of them hold for all; others, and those
 * behind, belong to the one before.
 * @throws UsageError
 */
export function readSources (given: Given): Source[] {
  const sources: Source[] = []
  const common: Omit<Source, 'flag'> = { value: '', headers: {} }
  for (const [flag, value] of given.inOrder) {
    const last = sources.at(-1)
    if (isSource(flag)) sources.push({ ...common, flag, value, headers: { ...common.headers } })
    else if (last === undefined && general.includes(flag)) follow(common, flag, value)
    else if (companions.includes(flag)) {
      if (last !== undefined && followers[last.flag].includes(flag)) follow(last, flag, value)
      else throw misplaced(flag, last)
    }
  }
  return sources.length === 0 ? [{ ...common, flag: 'path', value: defaults.path }] : sources
}

function misplaced (flag: string, last: Source | undefined): Error {
  const owners = Object.entries(followers).filter(([, flags]) => flags.includes(flag)).map(([owner]) => `--${owner}`)
  const got = last === undefined ? 'it is the first' : `it follows --${last.flag} ${last.value}`
  return wrong(`option '--${flag}' must follow the ${owners.join(' or ')} that it belongs to, but ${got}`)
}

function readStatus (text: string): readonly [number, number] {
  const [, first = '', last = first] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(text) ?? []
  const hundreds = /^([1-5])xx$/i.exec(text)?.[1]
  const bounds = hundreds === undefined ? [Number(first), Number(last)] as const
    : [Number(hundreds) * 100, Number(hundreds) * 100 + 99] as const
  if (bounds[0] === 0 || bounds[0] > bounds[1]) throw unfit('status', 'a status such as 201, 2xx or 200-404', text)
  return bounds
}

function readWeight (text: string): number {
  const weight = /^\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Number(text) : 0
  if (weight === 0) throw unfit('weight', 'a number above 0 and below 1000000, such as 3 or 0.5', text)
  return weight
}

function readOrigin (text: string): string {
  const { origin } = URL.canParse(text) ? new URL(text) : { origin: 'null' }
  if (origin === 'null') throw unfit('origin', 'an origin such as https://shop.example', text)
  return origin
}

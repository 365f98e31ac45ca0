import { METHODS, validateHeaderName, validateHeaderValue } from 'node:http'
import { isPath } from './profiles.ts'
import type { RequestProfile } from './profiles.ts'
import type { StayProfile } from './stays.ts'

/** Headers that say how a message is carried on its connection, which is what the load itself decides. */
export const ofTheConnection: readonly string[] = [
  'connection', 'content-length', 'http2-settings', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te',
  'trailer', 'transfer-encoding', 'upgrade'
]

/** Whether a header can be sent by a client of HTTP/1, and is none of the connection. @param name in small letters */
export function mayBeSent (name: string, value: string): boolean {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return !ofTheConnection.includes(name)
  } catch {
    return false
  }
}

/** Requests from elsewhere, as far as they can be sent. */
export interface Requests {
  profiles: RequestProfile[]
  stays: Array<Omit<StayProfile, 'clients'>>
  /** What was left out, and why. */
  notes: string[]
}

interface Pair { name?: unknown, value?: unknown }
interface PostData {
  mimeType?: unknown
  text?: unknown
  /** `base64`, as some recorders have it. */
  encoding?: unknown
  params?: Array<Pair & { fileName?: unknown, contentType?: unknown }>
}
interface Entry {
  _resourceType?: unknown
  request?: { method?: unknown, url?: unknown, headers?: Pair[], postData?: PostData }
  response?: { status?: unknown, content?: { mimeType?: unknown } }
}

/** Different requests that are taken of one recording. */
const mostRequests = 1000

/** Below 500: what the data of this service answers to them is no matter of an update. */
export const anyAnswer = [200, 499] as const

const text = (value: unknown): string => typeof value === 'string' ? value : ''
const list = <T extends object>(value: T[] | undefined): T[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : []

/**
 * Reads a HAR 1.2 recording. The requests to one origin are taken, each with the weight of how often it was recorded.
 * @param wanted the origin; absent: the one with the most requests, of several the first
 * @throws Error where it is no recording, or has no request that can be sent
 */
export function readHar (json: string, wanted?: string): Requests {
  const byOrigin = new Map<string, Array<[url: URL, entry: Entry]>>()
  for (const entry of entriesOf(json)) {
    const address = text(entry?.request?.url)
    const url = URL.canParse(address) ? new URL(address) : undefined
    if (url === undefined || !/^(?:http|ws)s?:$/.test(url.protocol)) continue
    const origin = `${url.protocol.replace('ws', 'http')}//${url.host}`
    const known = byOrigin.get(origin)
    if (known === undefined) byOrigin.set(origin, [[url, entry]])
    else known.push([url, entry])
  }
  const [most] = [...byOrigin].toSorted(([, a], [, b]) => b.length - a.length)
  if (most === undefined) throw new Error('it has no request to http: or https:')
  const origin = wanted ?? most[0]
  const taken = byOrigin.get(origin)
  if (taken === undefined) throw new Error(`it has no request to ${origin}, but to ${[...byOrigin.keys()].join(', ')}`)
  byOrigin.delete(origin)
  const requests = requestsOf(taken)
  const others = [...byOrigin].map(([other, { length }]) => `${length} to ${other}`)
  if (others.length > 0) requests.notes.push(`only requests to ${origin} are taken, and left out: ${others.join(', ')}`)
  if (requests.profiles.length + requests.stays.length > 0) return requests
  throw new Error(`none of its requests to ${origin} can be sent: ${requests.notes.join('; ')}`)
}

function entriesOf (json: string): Entry[] {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw new Error(`it is no JSON: ${String(error)}`, { cause: error })
  }
  const { entries } = (value as { log?: { entries?: unknown } } | null)?.log ?? {}
  if (!Array.isArray(entries)) throw new Error('it has no log.entries, which a HAR recording has')
  return entries as Entry[]
}

function requestsOf (taken: ReadonlyArray<[url: URL, entry: Entry]>): Requests {
  const profiles = new Map<string, RequestProfile>()
  const stays = new Map<string, Requests['stays'][number]>()
  const left = new Map<string, number>()
  const leave = (why: string): void => { left.set(why, (left.get(why) ?? 0) + 1) }
  for (const [url, entry] of taken) {
    const path = url.pathname + url.search
    const headers = headersOf(entry)
    const stay = stayOf(url, entry)
    const status = entry.response?.status
    const method = text(entry.request?.method) || 'GET'
    if (!isPath(path)) leave('with a path that cannot be sent')
    else if (stay !== undefined) stays.set(`${stay} ${path}`, { kind: stay, path, headers })
    // Recorders say 0 or -1 of a request that was aborted.
    else if (typeof status === 'number' && status <= 0) leave('without an answer')
    else if (typeof status === 'number' && status >= 500) leave('answered with 500 or more')
    else if (!METHODS.includes(method) || method === 'CONNECT') leave(`of the method ${method.slice(0, 20)}`)
    else {
      const profile = profileOf(method, path, headers, entry.request?.postData)
      const key = JSON.stringify([method, path, headers, profile.body?.toString('base64')])
      const known = profiles.get(key)
      if (known !== undefined) known.weight = (known.weight ?? 1) + 1
      else if (profiles.size < mostRequests) profiles.set(key, profile)
      else leave(`beyond the first ${mostRequests}`)
    }
  }
  return {
    profiles: [...profiles.values()],
    stays: [...stays.values()],
    notes: [...left].map(([why, count]) => `${count} left out, ${why}`)
  }
}

function stayOf (url: URL, { _resourceType: type, response }: Entry): 'websocket' | 'events' | undefined {
  if (type === 'websocket' || url.protocol.startsWith('ws') || response?.status === 101) return 'websocket'
  const isStream = type === 'eventsource' || text(response?.content?.mimeType).startsWith('text/event-stream')
  return isStream ? 'events' : undefined
}

function headersOf ({ request }: Entry): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const { name, value } of list(request?.headers)) {
    const key = text(name).toLowerCase()
    if (!mayBeSent(key, text(value)) || key === 'host' || key.startsWith('sec-websocket-')) continue
    headers[key] = headers[key] === undefined ? text(value)
      : `${headers[key]}${key === 'cookie' ? ';' : ','} ${text(value)}`
  }
  return headers
}

function profileOf (method: string, path: string, recorded: Record<string, string>, data?: PostData): RequestProfile {
  const [body, type] = bodyOf(data ?? {})
  const headers = type === undefined ? recorded : { ...recorded, 'content-type': type }
  return { name: `${method} ${path}`, method, path, headers, status: anyAnswer, ...body === undefined ? {} : { body } }
}

/** The body, and its type where that is not the recorded one. */
function bodyOf ({ text: content, encoding, mimeType, params }: PostData): [body?: Buffer, type?: string] {
  if (typeof content === 'string' && content !== '') {
    return [Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8')]
  }
  if (list(params).length === 0) return []
  if (text(mimeType).startsWith('multipart/form-data')) return multipart(list(params))
  const pairs = list(params).map(({ name, value }): [string, string] => [text(name), text(value)])
  return [Buffer.from(new URLSearchParams(pairs).toString()), 'application/x-www-form-urlencoded']
}

const named = (what: string, value: unknown): string =>
  value === undefined ? '' : `; ${what}="${text(value).replaceAll(/["\r\n]/g, encodeURIComponent)}"`

function multipart (params: NonNullable<PostData['params']>): [body: Buffer, type: string] {
  const boundary = 'fastify-graceful-drill'
  const parts = params.map(({ name, value, fileName, contentType }) => [
    `--${boundary}`,
    `content-disposition: form-data${named('name', name)}${named('filename', fileName)}`,
    ...contentType === undefined ? [] : [`content-type: ${text(contentType).replaceAll(/[\r\n]/g, ' ')}`],
    '',
    text(value)
  ].join('\r\n'))
  return [Buffer.from(`${parts.join('\r\n')}\r\n--${boundary}--\r\n`), `multipart/form-data; boundary=${boundary}`]
}

import { existsSync, readFileSync, statSync } from 'node:fs'
import { get, METHODS } from 'node:http'
import { defaults, isPath, readHar, readOpenApi } from '../../drill/index.ts'
import type { Endpoint, RequestProfile, Requests, StayProfile, Traffic } from '../../drill/index.ts'
import { messageOf } from '../../errors.ts'
import { unfit } from './option.ts'
import { addHeader } from './sources.ts'
import type { Source } from './sources.ts'

/** Milliseconds for a document, and its bytes. */
const [patience, mostBytes] = [15_000, 64 * 1024 * 1024]
/** Milliseconds for which a user thinks at most between two requests: so connections of all ages are open. */
const longestThought = 1000

/** How requests are sent. */
export interface Manner {
  /** The share of requests on connections that are kept, from 0 to 1. */
  keepAlive: number
  /** Clients that stay on each path. */
  clients: number
  /** Hears what was left out. */
  note: (text: string) => void
}

const isKnown = (pair: [Source, Part]): pair is [Source, Requests] => typeof pair[1] !== 'function'

type Part = Requests | ((replica: Endpoint) => Promise<Requests>)

/** What is sent; a function where it takes a replica to know. @throws UsageError */
export function readTraffic (
  sources: readonly Source[], manner: Manner
): Traffic | ((replica: Endpoint) => Promise<Traffic>) {
  const parts = sources.map((source): [Source, Part] => [source, readers[source.flag](source)])
  if (parts.every(isKnown)) return join(parts, manner)
  let isFirst = true
  return async (replica) => {
    const known: Array<[Source, Requests]> = []
    for (const [source, part] of parts) known.push([source, typeof part === 'function' ? await part(replica) : part])
    const traffic = join(known, isFirst ? manner : { ...manner, note: () => {} })
    isFirst = false
    return traffic
  }
}

const readers: Record<Source['flag'], (source: Source) => Part> = {
  path: (source) => ({ profiles: [readRequest(source)], stays: [], notes: [] }),
  har: ({ value, origin }) => read('har', 'a HAR recording', value, (text) => readHar(text, origin)),
  openapi: ({ value }) => value.startsWith('/') && !existsSync(value)
    ? (replica) => readFrom(replica, value)
    : read('openapi', 'an OpenAPI document in JSON, or the route of one', value, readOpenApi),
  websocket: stayOn,
  events: stayOn
}

function stayOn ({ flag, value }: Source): Requests {
  if (!isPath(value)) throw unfit(flag, 'a path such as /orders/live', value)
  return { profiles: [], stays: [{ kind: flag === 'websocket' ? flag : 'events', path: value }], notes: [] }
}

function read (flag: string, expected: string, file: string, parse: (text: string) => Requests): Requests {
  try {
    return parse(String(readBounded(file)))
  } catch (error) {
    throw unfit(flag, `${expected}, but ${messageOf(error)}:`, file)
  }
}

async function readFrom (replica: Endpoint, path: string): Promise<Requests> {
  try {
    return readOpenApi(await fetchText(replica, path))
  } catch (error) {
    throw new Error(`--openapi ${path}: neither a file nor a route with such a document: ${messageOf(error)}`,
      { cause: error })
  }
}

function fetchText ({ host, port }: Endpoint, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(patience)
    get({ host, port, path, agent: false, signal, headers: { accept: 'application/json' } }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > mostBytes) response.destroy(new Error(`it has more than ${mostBytes} bytes`))
      }).on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(String(Buffer.concat(chunks)))
        else reject(new Error(`the service answers ${response.statusCode}`))
      })
    }).on('error', reject)
  })
}

/** All of it, with the headers, status and weight that were typed. */
function join (parts: ReadonlyArray<[Source, Requests]>, { keepAlive, clients, note }: Manner): Traffic {
  const profiles: RequestProfile[] = []
  const stays: StayProfile[] = []
  for (const [{ flag, value, headers, status, weight = defaults.weight }, requests] of parts) {
    for (const text of requests.notes) note(`--${flag} ${value}: ${text}`)
    stays.push(...requests.stays.map((stay) => ({ ...stay, headers: { ...stay.headers, ...headers }, clients })))
    profiles.push(...requests.profiles.map((profile) => ({
      ...profile,
      // Those of a path are there already.
      headers: flag === 'path' ? profile.headers ?? {} : { ...profile.headers, ...headers },
      weight: (profile.weight ?? defaults.weight) * weight,
      ...status === undefined ? {} : { status }
    })))
  }
  return { profiles: profiles.flatMap((profile) => mix(profile, keepAlive)), stays }
}

/** A request as those send it who keep their connection, and as others do. */
function mix (profile: RequestProfile, share: number): RequestProfile[] {
  const { weight = defaults.weight } = profile
  return [
    { ...profile, weight: weight * share, group: 'kept', think: longestThought },
    { ...profile, weight: weight * (1 - share), group: 'fresh', keepAlive: false }
  ].filter((one) => one.weight > 0)
}

/** Bytes of the largest file that is read: its content is held in memory. */
const mostOfFile = 256 * 1024 * 1024

/** Reads a whole file. @throws Error where it cannot be read, is none, or is too large */
function readBounded (path: string): Buffer {
  const stats = statSync(path)
  if (!stats.isFile()) throw new Error(`${path} is no file`)
  if (stats.size > mostOfFile) throw new Error(`it has ${stats.size} bytes, at most ${mostBytes} are read`)
  return readFileSync(path)
}

const aPath = 'a path such as /orders, with method, headers and body: POST /orders x-shop:7 {"id":7}'

/**
 * Reads one `--path`: `[METHOD ]/path[ name:value ...][ body]`. The first word that is no header begins the body.
 * @throws UsageError
 */
function readRequest ({ flag, value, data, headers: common }: Source): RequestProfile {
  const [, typedMethod, path = '', rest = ''] = /^(?:([A-Za-z-]+) +)?(\S+)\s*(.*)$/s.exec(value) ?? []
  if (!isPath(path)) throw unfit(flag, aPath, value)
  const headers = { ...common }
  const text = takeHeaders(flag, rest, headers)
  if (text !== '' && data !== undefined) throw unfit('data', 'the only body, but --path has one, too', data)
  const body = data === undefined ? text === '' ? undefined : Buffer.from(text) : readData(data)
  if (body !== undefined) headers['content-type'] ??= isJson(body) ? 'application/json' : 'text/plain'
  const method = typedMethod?.toUpperCase() ?? (body === undefined ? 'GET' : 'POST')
  if (!METHODS.includes(method) || method === 'CONNECT') throw unfit(flag, 'a path after a method, such as GET', value)
  return {
    name: `${method} ${path}`,
    method, path, headers,
    ...body === undefined ? {} : { body }
  }
}

function takeHeaders (flag: string, text: string, headers: Record<string, string>): string {
  const found = /^[!#$%&'*+.^_`|~\w-]+:\S+(?:\s+|$)/.exec(text)?.[0]
  if (found === undefined) return text
  const own = found.trim()
  addHeader(headers, flag, own)
  return takeHeaders(flag, text.slice(found.length), headers)
}

/** A body, or that of a file. */
function readData (data: string): Buffer {
  if (!data.startsWith('@')) return Buffer.from(data)
  try {
    return readBounded(data.slice(1))
  } catch (error) {
    throw unfit('data', `a body, or @ and a file that can be read (${messageOf(error)})`, data)
  }
}

function isJson (body: Buffer): boolean {
  try {
    return typeof JSON.parse(String(body)) === 'object'
  } catch {
    return false
  }
}

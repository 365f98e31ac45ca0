import { existsSync } from 'node:fs'
import { get } from 'node:http'
import { messageOf } from '../../errors.ts'
import { isPath, readHar, readOpenApi } from '../../drill/index.ts'
import type { Endpoint, RequestProfile, Requests, StayProfile, Traffic } from '../../drill/index.ts'
import { readBounded } from './files.ts'
import { unfit } from './option.ts'
import { readRequest } from './path-option.ts'
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
  for (const [{ flag, value, headers, status, weight = 1 }, requests] of parts) {
    for (const text of requests.notes) note(`--${flag} ${value}: ${text}`)
    stays.push(...requests.stays.map((stay) => ({ ...stay, headers: { ...stay.headers, ...headers }, clients })))
    profiles.push(...requests.profiles.map((profile) => ({
      ...profile,
      // Those of a path are there already.
      headers: flag === 'path' ? profile.headers ?? {} : { ...profile.headers, ...headers },
      weight: (profile.weight ?? 1) * weight,
      ...status === undefined ? {} : { status }
    })))
  }
  return { profiles: profiles.flatMap((profile) => mix(profile, keepAlive)), stays }
}

/** A request as those send it who keep their connection, and as others do. */
function mix (profile: RequestProfile, share: number): RequestProfile[] {
  const { weight = 1 } = profile
  return [
    { ...profile, weight: weight * share, group: 'kept', think: longestThought },
    { ...profile, weight: weight * (1 - share), group: 'fresh', keepAlive: false }
  ].filter((one) => one.weight > 0)
}

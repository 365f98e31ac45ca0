import { ServerResponse } from 'node:http'
import type { Faults } from '../util/faults.ts'
import { hasNoBody, headOf, replaceHead, replaceStoreHeader, storeHeaderOf } from '../fastify/node-internals.ts'

/** Headers as `writeHead` takes them. */
type GivenHeaders = Record<string, unknown> | unknown[] | null | undefined

const ending = '\r\nConnection: close'
const staying = '\r\nConnection: keep-alive'
const { setHeader, removeHeader, getHeader, getHeaderNames } = ServerResponse.prototype
/** Replies that end their connection for another reason, too: their client asks for it, or their handler. */
const endsAnyway = new WeakSet<ServerResponse>()

/**
 * Asks at the last moment, when the head of an HTTP/1 reply is made, whether it is to end its connection.
 * If so, the head says `Connection: close` whatever was written before: by `setHeader`, by `writeHead`,
 * or by whoever wraps that. A head of status 101 is left alone: its connection goes on as something else.
 */
export function decideHead (reply: ServerResponse, isLast: () => boolean, faults: Faults): void {
  const decide = (): boolean => (reply.statusCode < 100 || reply.statusCode > 199) && isLast()
  const store = storeHeaderOf(reply)
  if (store === undefined) {
    decideAtWriteHead(reply, decide, faults)
    return
  }
  replaceStoreHeader(reply, function storeHeader (firstLine, headers) {
    let decided = headers
    try {
      if (decide()) decided = withClose(this, headers as GivenHeaders)
    } catch (error) {
      faults.note('the head of a reply', error)
    }
    store.call(this, firstLine, decided)
  })
}

/** Where Node has no such part: everybody goes through `writeHead` last, but for those who wrap it after us. */
function decideAtWriteHead (reply: ServerResponse, decide: () => boolean, faults: Faults): void {
  const { writeHead } = reply
  reply.writeHead = function decided (this: ServerResponse, status: number, ...rest: unknown[]) {
    this.statusCode = status
    if (faults.attempt('the head of a reply', decide, false)) {
      const at = typeof rest[0] === 'string' ? 1 : 0
      const headers = withClose(this, rest[at] as GivenHeaders)
      // Here they are still to be merged into the stored ones, which say it by now.
      rest[at] = isStored(this) ? withoutOwn(headers) : headers
    }
    return Reflect.apply(writeHead, this, [status, ...rest])
  } as ServerResponse['writeHead']
}

/**
 * Takes back that a reply ends its connection, where its head has not reached the socket.
 *
 * @returns whether it did
 */
export function takeBackClose (reply: ServerResponse): boolean {
  if (endsAnyway.has(reply)) return false
  const head = headOf(reply)
  // Without a length the end of the connection is the end of the body.
  const isFramed = hasNoBody(reply) || reply.chunkedEncoding || /\r\ncontent-length:/i.test(head ?? '')
  if (head === undefined || !head.includes(ending) || !isFramed) return false
  return replaceHead(reply, head, head.replace(ending, staying))
}

function isStored (reply: ServerResponse): boolean {
  return getHeaderNames.call(reply).length > 0
}

/** The given headers, or the stored ones, with `Connection: close` in place of what they say of the connection. */
function withClose (reply: ServerResponse, given: GivenHeaders): GivenHeaders {
  if (isStored(reply)) {
    // Node has merged into the stored ones whatever `writeHead` was given.
    setHeader.call(reply, 'Connection', closing(reply, [getHeader.call(reply, 'connection')]))
    removeHeader.call(reply, 'Keep-Alive')
    return given
  }
  if (Array.isArray(given) && given.length % 2 === 1 && !Array.isArray(given[0])) return given
  const pairs = pairsOf(given)
  const value = closing(reply, pairs.filter(([name]) => isNamed(name, 'connection')).map(([, said]) => said))
  return [...pairs.filter(([name]) => !isOwn(name)), ['Connection', value]]
}

function withoutOwn (given: GivenHeaders): GivenHeaders {
  return given && Object.fromEntries(pairsOf(given).filter(([name]) => !isOwn(name)) as Array<[string, unknown]>)
}

/** Headers in any form that `writeHead` takes, as pairs: an array is flat or nested, and may have a name twice. */
function pairsOf (given: GivenHeaders): unknown[][] {
  if (!Array.isArray(given)) return Object.entries(given ?? {})
  if (Array.isArray(given[0])) return given as unknown[][]
  return given.flatMap((name, index) => index % 2 === 0 ? [[name, given[index + 1]]] : [])
}

function isNamed (name: unknown, wanted: string): boolean {
  return typeof name === 'string' && name.toLowerCase() === wanted
}

/** Whether a header says whether the connection goes on. */
function isOwn (name: unknown): boolean {
  return isNamed(name, 'connection') || isNamed(name, 'keep-alive')
}

/** What else was said of the connection stays: an `Upgrade` header is worth nothing without its option. */
function closing (reply: ServerResponse, said: unknown[]): string {
  const all = options(said)
  if (all.includes('close') || !reply.shouldKeepAlive) endsAnyway.add(reply)
  const others = all.filter((option) => option !== 'close' && option !== 'keep-alive')
  return ['close', ...new Set(others)].join(', ')
}

/** The options of a `Connection` header, in lower case. */
function options (said: unknown): string[] {
  const values = [said].flat(2).filter((value) => typeof value === 'string')
  return values.flatMap((value) => value.toLowerCase().split(','))
    .map((option) => option.trim())
    .filter((option) => option !== '')
}

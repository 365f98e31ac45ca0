import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { typeName } from '../errors.ts'
import { afterUnref } from '../util/timers.ts'

/** Who may use the admin routes. Without any of the three, nobody may. */
export interface GuardOptions {
  /** What `Authorization: Bearer` must carry, at least 16 characters; several while one is being replaced. */
  token?: string | readonly string[]
  /**
   * Decides over requests that carry no accepted token. Only `true` lets in; a throw and any other answer does not.
   * It is not asked where a browser would change something for a page of another site.
   */
  authorize?: (request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether everything that comes through a unix socket is let in: its file mode is the guard. Not where a proxy leads
   * to the application that way. Whoever asks is let in under a loopback name (`Host`) only, and not for a page of
   * another origin: a browser may come through a tunnel. With `mode`, the socket that the application listens on gets
   * it in place of 0600. Default: `false`.
   */
  unixSocket?: boolean | { mode?: string | number }
}

/** The answer of a guard: let in; the request shows no credentials; it shows wrong ones. */
export type Admission = 'granted' | 'no credentials' | 'wrong credentials'

/** Decides over one request, which acts or only looks. Never rejects, and settles in a bounded time. */
export type Guard = (request: FastifyRequest, acts: boolean) => Promise<Admission>

/** How long `authorize` may take, in milliseconds, and from the start of draining on, which does not wait for it. */
export const authorizeTime = { usual: 5000, draining: 500 } as const

/** What a guard needs. */
export interface GuardPorts {
  /** `authorize` has failed: told with the request, the message for the log, and the error where it threw one. */
  failed: (request: FastifyRequest, message: string, error?: unknown) => void
  /** Aborts when draining starts. */
  draining: AbortSignal
}

/** The guard that the options describe; undefined where they describe none. */
export function createGuard (options: GuardOptions, ports: GuardPorts): Guard | undefined {
  const tokens = [options.token ?? []].flat().filter((token) => token !== '').map((token) => digest(token))
  const { authorize, unixSocket = false } = options
  if (tokens.length === 0 && authorize === undefined && !unixSocket) return undefined
  return async (request, acts) => {
    if (unixSocket && cameThroughUnixSocket(request) && !isForSomebodyElse(request.raw)) return 'granted'
    if (showsToken(request.headers.authorization, tokens)) return 'granted'
    const mayAsk = authorize !== undefined && !(acts && isCrossSite(request.raw))
    if (mayAsk && await asks(authorize, request, ports)) return 'granted'
    return request.headers.authorization === undefined ? 'no credentials' : 'wrong credentials'
  }
}

/** The SHA-256 digest of a token, which is kept in its place. */
export function digest (text: string | Buffer): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * Whether an `Authorization` header carries one of the tokens. Digests have one length, and every token is compared,
 * so the time taken tells nothing about any of them.
 */
export function showsToken (authorization: string | undefined, tokens: readonly Buffer[]): boolean {
  const given = /^bearer +(\S+)$/i.exec(authorization?.trim() ?? '')?.[1]
  if (given === undefined) return false
  // Node reads the bytes of a header as Latin-1.
  const shown = digest(Buffer.from(given, 'latin1'))
  return tokens.map((token) => timingSafeEqual(token, shown)).includes(true)
}

type Authorize = NonNullable<GuardOptions['authorize']>

async function asks (authorize: Authorize, request: FastifyRequest, ports: GuardPorts): Promise<boolean> {
  const { failed, draining } = ports
  try {
    const answer: unknown = await inTime(async () => authorize(request), draining)
    if (answer === late) failed(request, "option 'admin.authorize' did not answer in time, access denied")
    else if (typeof answer === 'boolean') return answer
    else failed(request, `option 'admin.authorize' must answer true or false, got ${typeName(answer)}, access denied`)
  } catch (error) {
    failed(request, "option 'admin.authorize' failed, access denied", error)
  }
  return false
}

/** Stands for an answer of `authorize` that has not come in time. */
const late = Symbol('late')

/** A question that never settles must not keep its request, for which the end of the service would wait. */
async function inTime (ask: () => Promise<unknown>, draining: AbortSignal): Promise<unknown> {
  let cancel: (() => void) | undefined
  let hasten: (() => void) | undefined
  try {
    return await Promise.race([ask(), new Promise((resolve) => {
      const limit = (time: number): void => { cancel = afterUnref(time, () => resolve(late)) }
      hasten = () => {
        cancel?.()
        limit(authorizeTime.draining)
      }
      if (draining.aborted) return limit(authorizeTime.draining)
      limit(authorizeTime.usual)
      draining.addEventListener('abort', hasten)
    })])
  } finally {
    cancel?.()
    if (hasten !== undefined) draining.removeEventListener('abort', hasten)
  }
}

/**
 * Whether the socket has no remote address and its server listens on a path. What `inject` makes up has no server, and
 * that of a dead TCP socket listens on a port.
 */
function cameThroughUnixSocket (request: FastifyRequest): boolean {
  const socket = request.raw.socket as typeof request.raw.socket & { server?: { address?: () => unknown } } | undefined
  return socket !== undefined && socket.remoteAddress === undefined && typeof socket.server?.address?.() === 'string'
}

/** What tells for whom a browser asks. */
type Asked = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'url'> & { originalUrl?: string }

const loopbackAddresses = new BlockList()
loopbackAddresses.addSubnet('127.0.0.0', 8)
loopbackAddresses.addAddress('::1', 'ipv6')
/** Names that are this machine's wherever they are asked for (RFC 6761, 6.3). */
const loopbackName = /^(?:[a-z\d_-]+\.)*localhost\.?$/i

/**
 * Whether a browser sends this for a page of another site: whatever it sends along by itself then speaks for that page,
 * not for a person. A browser that says nothing of the site says at least the page's origin.
 */
function isCrossSite (asked: Asked): boolean {
  const { 'sec-fetch-site': site } = asked.headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'same-site' && site !== 'none'
  return isOfAnotherOrigin(asked)
}

/**
 * Whether a request may be made for somebody else, where nothing but the way it came lets in: under a name that is not
 * this machine's, which whoever owns the name can point at a tunnel, or for a page of another origin. `User-Agent` is
 * no evidence: a page may set it to anything.
 */
function isForSomebodyElse (asked: Asked): boolean {
  const names = namesOf(asked)
  if (names.length === 0 || !names.every(isLoopback)) return true
  const { 'sec-fetch-site': site } = asked.headers
  return (site !== undefined && site !== 'same-origin' && site !== 'none') || isOfAnotherOrigin(asked)
}

function isOfAnotherOrigin (asked: Asked): boolean {
  const { origin } = asked.headers
  if (origin === undefined) return false
  const names = namesOf(asked)
  return names.length === 0 || !names.every((name) => isAt(origin, name))
}

/**
 * Every name that a request gives to where it goes: `Host`, as often as it was sent, HTTP/2's `:authority`, and that of
 * an absolute URL, which Fastify routes as any other.
 */
function namesOf ({ rawHeaders, url = '', originalUrl = url }: Asked): string[] {
  const names: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase()
    if (name === 'host' || name === ':authority') names.push(rawHeaders[index + 1] ?? '')
  }
  const [, authority] = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(originalUrl) ?? []
  return authority === undefined ? names : [...names, authority]
}

/** Whether a host, with a port or without, is one of this machine's own. */
function isLoopback (host: string): boolean {
  const name = host.replace(/:\d{0,5}$/, '')
  const address = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  const family = isIP(address)
  if (family === 0) return loopbackName.test(name)
  // Without brackets it is no host that a URL can name.
  return (family === 4 || address !== name) && loopbackAddresses.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** Whether an `Origin` is the one of a host. A port that a scheme stands for need not be said. */
function isAt (origin: string, host: string): boolean {
  const page = readOrigin(origin)
  const here = page && readOrigin(`${page.protocol}//${host}`)
  return here !== undefined && here.host === page?.host
}

/** A scheme and a host, and nothing more; undefined for `null`, for several, and for whatever only looks like one. */
function readOrigin (text: string): URL | undefined {
  if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(text) || !URL.canParse(text)) return undefined
  return new URL(text)
}

import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

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
export function isCrossSite (asked: Asked): boolean {
  const { 'sec-fetch-site': site } = asked.headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'same-site' && site !== 'none'
  return isOfAnotherOrigin(asked)
}

/**
 * Whether a request may be made for somebody else, where nothing but the way it came lets in: under a name that is not
 * this machine's, which whoever owns the name can point at a tunnel, or for a page of another origin. `User-Agent` is
 * no evidence: a page may set it to anything.
 */
export function isForSomebodyElse (asked: Asked): boolean {
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

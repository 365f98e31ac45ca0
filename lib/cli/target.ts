import { aSocketPath, fits } from '../server/socket-files.ts'
import { shorten } from '../util/text.ts'
import { printable } from './printable.ts'
import { UsageError } from './usage.ts'

/** Where something is asked for. */
export interface Target {
  /** As it is shown: without what was added, and without its query, which may hold a secret. */
  name: string
  secure: boolean
  /** Undefined for a unix socket. */
  host: string | undefined
  port: number | undefined
  socketPath: string | undefined
  /** Path and query. */
  path: string
  /** What `Host` says. */
  authority: string
}

/** Who asks, as messages call it, and the path that it asks for, made of the one that was given. */
export interface Asks { command: string, complete: (path: string) => string }

/** Characters of an address: it stands in front of all that is shown of a service. */
const longestAddress = 2048

/**
 * Reads what was given: a URL, `host:port`, a port of this machine, or `unix:<path of a socket>[:<path>]`.
 *
 * @throws {UsageError} it is none of these
 */
export function readAddress (given: string, asks: Asks): Target {
  if (given.length > longestAddress) throw refusal(given, asks)
  return given.startsWith('unix:') ? readSocket(given, asks) : readUrl(given, asks)
}

function readSocket (given: string, asks: Asks): Target {
  const [, socketPath = '', path = ''] = /^unix:(?:\/\/)?(\/[^:]+)(?::(\/.*))?$/.exec(given) ?? []
  if (socketPath === '') throw refusal(given, asks)
  if (!fits(socketPath)) {
    throw new UsageError(
      `${asks.command}: expected ${aSocketPath}, got one of ${Buffer.byteLength(socketPath)} bytes`
    )
  }
  const route = withoutQuery(path)
  const [query = ''] = /^\?[^#]*/.exec(path.slice(route.length)) ?? []
  return {
    name: printable(`${given.slice(0, given.length - path.length)}${route}`),
    secure: false,
    host: undefined,
    port: undefined,
    socketPath,
    path: asks.complete(route) + query,
    authority: 'localhost'
  }
}

function readUrl (given: string, asks: Asks): Target {
  const hasScheme = /^[a-z][a-z\d+.-]*:\/\//i.test(given)
  const isPort = /^\d+$/.test(given)
  const withHost = isPort ? `localhost:${given}` : given.replace(/^:(?=\d)/, 'localhost:')
  const text = hasScheme ? given : `http://${withHost}`
  // What a broken scheme leaves would be taken for a host, and a password for a path. A URL leaves tabs and ends of
  // lines out.
  const isBroken = /^https?:(?!\/\/)/i.test(given) || (!hasScheme && given.includes('@')) || /[\t\r\n]/.test(given)
  if (isBroken || !URL.canParse(text)) throw refusal(given, asks)
  const { protocol, username, password, hostname, host, port, pathname, search } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') throw refusal(given, asks)
  // It would be in every log on the way, and is no form of authorisation here.
  if (username !== '' || password !== '') {
    throw new UsageError(`${asks.command}: expected a URL without credentials${asks.command === 'status'
      ? ', and the token as --token or in GRACEFUL_TOKEN' : ''}`)
  }
  const secure = protocol === 'https:'
  return {
    name: printable(withoutQuery(given)),
    secure,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? secure ? 443 : 80 : Number(port),
    socketPath: undefined,
    path: asks.complete(pathname) + search,
    authority: host
  }
}

function refusal (given: string, { command }: Asks): UsageError {
  const shown = shorten(printable(withoutQuery(withoutUser(given))))
  return new UsageError(`${command}: expected a URL, host:port or unix:/path/of/socket, got '${shown}'`)
}

/** What stands before the last `@` may be a password or a token, whatever it is made of. */
function withoutUser (given: string): string {
  return given.replace(/^(https?:\/{0,2}|unix:)?.*(?:@|%40)/is, '$1...@')
}

/** A query, or what comes behind `#`, is asked with, and not shown. */
function withoutQuery (given: string): string {
  return given.replace(/[?#].*$/s, '')
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed without an answer',
  EPIPE: 'the connection was closed without an answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  ENOTFOUND: 'no host of this name',
  EAI_AGAIN: 'the name of the host could not be looked up',
  ENOENT: 'no socket of this path',
  ENOTSOCK: 'no socket of this path',
  EACCES: 'no permission for the socket',
  EPROTO: 'no TLS is spoken there: is it http?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no TLS is spoken there: is it http?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no TLS is spoken there: is it http?'
}

/** Somebody else's text in a line: short, and safe on a terminal. */
export function shortened (text: string): string {
  return printable(text.length > 80 ? `${text.slice(0, 79)}…` : text)
}

/** Why nobody has answered, from the error of a connection. */
export function whyUnreached (error: unknown): string {
  // Where a name has several addresses, each has its own.
  const [first] = error instanceof AggregateError ? error.errors as unknown[] : [error]
  const { code = '', message } = first as Error & { code?: string }
  if (code.startsWith('HPE_')) return 'no HTTP is spoken there: is it https?'
  if (/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)) {
    return `the certificate is not accepted: ${shortened(message)} `
      + "(NODE_EXTRA_CA_CERTS names a file with your authority's)"
  }
  return words[code] ?? shortened(message === '' ? code : message)
}

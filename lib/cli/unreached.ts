import { printable } from './printable.ts'

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

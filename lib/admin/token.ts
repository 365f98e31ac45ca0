import { createHash, timingSafeEqual } from 'node:crypto'

/** What is kept of a token. */
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

import { validateHeaderName, validateHeaderValue } from 'node:http'

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

import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { streamOf } from './protocol.ts'

/** The open streams of a session, and the most that were open at once. */
interface Streams { readonly open: Set<ServerHttp2Stream>, most: number }

/** The open streams of each session, known from phase 1 on: Node keeps them to itself. */
export class SessionStreams {
  readonly #streams = new WeakMap<ServerHttp2Session, Streams>()

  /** A reply is followed; one of HTTP/1 has no stream. */
  follow (reply: ServerResponse): void {
    const stream = streamOf(reply)
    const session = stream?.session as ServerHttp2Session | undefined
    if (stream === undefined || session === undefined || stream.closed) return
    let streams = this.#streams.get(session)
    if (streams === undefined) this.#streams.set(session, streams = { open: new Set(), most: 0 })
    const { open } = streams
    open.add(stream)
    streams.most = Math.max(streams.most, open.size)
    stream.once('close', () => open.delete(stream))
  }

  /** Whether one is open. */
  isBusy (session: ServerHttp2Session): boolean {
    return (this.#streams.get(session)?.open.size ?? 0) > 0
  }

  /**
   * Whether some are open, and as many as ever: a client that asks again when it has its answer has nothing on the wire
   * then.
   */
  isFull (session: ServerHttp2Session): boolean {
    const { open, most } = this.#streams.get(session) ?? {}
    return open !== undefined && open.size > 0 && open.size === most
  }
}

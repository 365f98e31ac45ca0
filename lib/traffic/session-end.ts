import { writeSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { descriptorOf } from '../fastify/node-internals.ts'
import { openStreams } from '../fastify/process-internals.ts'
import type { Faults } from '../util/faults.ts'
import { setImmediate } from '../util/timers.ts'
import { afterTurns } from './listeners.ts'
import type { Connections } from './connections.ts'
import { carrierUnder, dropSession, markTold, wasTold, whenPeerEnds, isProbed, isUsed } from './tags.ts'
import { streamOf } from './protocol.ts'

/** Milliseconds that a peer has for what takes one round trip: the answer to a ping, the end of its side. */
const patience = 1000
/**
 * The same for a client whose requests are served until it answers, half of what is left of the phase where that is
 * less.
 */
const longPatience = 3000
/** How long the streams of a session over TLS are counted at least before it is told, in milliseconds. */
const observed = 100
/** The last stream a GOAWAY can name. */
const allStreams = 2 ** 31 - 1

/** Whether a stream has just come on a session. */
type Arrival = 'none' | 'first' | 'another'

/**
 * Ends sessions in order (RFC 9113, 6.8): a GOAWAY that names all streams, one round trip, and then the real one, which
 * names the last. `session.close()` alone refuses the requests that are on the wire.
 *
 * Over TLS the first one can only be Node's, after which no new stream is served. It goes out beside an answer, when
 * the client has probably nothing on the wire; where nothing comes, the session is closed as an idle connection of
 * HTTP/1 is.
 */
export class SessionEnds {
  readonly #clock: Clock
  readonly #connections: Connections
  readonly #streams = new SessionStreams()
  readonly #left: () => number
  readonly #onShed: () => void
  readonly #faults: Faults
  /** Since when sessions are to be told. */
  readonly #due = new WeakMap<ServerHttp2Session, number>()
  /** Sessions that are to be told whatever the ramp says. */
  readonly #demanded = new WeakSet<ServerHttp2Session>()

  /**
   * @param left how long the phase may still last, in milliseconds
   * @param onShed called for each session with traffic that was told
   */
  constructor (clock: Clock, connections: Connections, left: () => number, onShed: () => void, faults: Faults) {
    this.#clock = clock
    this.#connections = connections
    this.#left = left
    this.#onShed = onShed
    this.#faults = faults
  }

  /** A session is to be told as soon as it can be. */
  demand (session: ServerHttp2Session): void {
    this.#demanded.add(session)
  }

  /** Whether a session is to be told as soon as it can be. */
  isDemanded (session: ServerHttp2Session): boolean {
    return this.#demanded.has(session)
  }

  /**
   * Tells a session to go, once; it is closed when its client has heard of it and its streams have ended.
   *
   * @returns whether it was told now: false where it was told before, or where the moment is not a good one
   */
  tell (session: ServerHttp2Session, arrival: Arrival = 'none'): boolean {
    if (session.destroyed || session.closed || wasTold(session)) return false
    const notice = sendNotice(carrierUnder(session))
    if (notice === 'not now' || (notice === 'never' && !this.#isGoodMoment(session, arrival))) return false
    if (notice === 'never') session.goaway(0, allStreams)
    markTold(session)
    this.#closeWhenHeard(session, notice === 'sent' && isUsed(session) ? this.#patience : patience)
    return true
  }

  /** A reply is followed. */
  follow (reply: ServerResponse): void {
    this.#streams.follow(reply)
  }

  /** Whether a stream of a session is open. */
  isBusy (session: ServerHttp2Session): boolean {
    return this.#streams.isBusy(session)
  }

  /** Ends a session that nobody uses: it is told where it can be without a stream, and closed where it cannot. */
  tellOrClose (session: ServerHttp2Session): void {
    if (!this.tell(session) && !wasTold(session)) this.close(session)
  }

  /** Closes a session: it takes no more streams, and ends with those that are open. */
  close (session: ServerHttp2Session): void {
    if (!session.destroyed && !session.closed) session.close()
    this.#dropLater(session)
  }

  #isGoodMoment (session: ServerHttp2Session, arrival: Arrival): boolean {
    if (arrival === 'first') return true
    const now = this.#clock.now()
    const since = this.#due.get(session) ?? now
    this.#due.set(session, since)
    if (arrival === 'another' && now - since >= patience) return true
    return now - since >= observed && this.#streams.isFull(session)
  }

  get #patience (): number {
    return Math.min(longPatience, Math.max(patience, this.#left() / 2))
  }

  #closeWhenHeard (session: ServerHttp2Session, wait: number): void {
    let isHeard = false
    const heard = this.#faults.guard('the end of a session', () => {
      if (isHeard) return
      isHeard = true
      cancel()
      this.close(session)
    })
    // Where this process has stood still the answer may wait in the kernel.
    const cancel = this.#clock.after(wait, () => afterTurns(this.#clock, heard))
    // A client that says the same opens no more streams.
    session.once('goaway', heard)
    whenPeerEnds(session, heard)
    // Of frames that wait together nghttp2 sends a ping first; and a first request has come to our hook by then.
    setImmediate(this.#faults.guard('the end of a session', () => {
      if (isUsed(session) && !isProbed(session)) this.#onShed()
      ping(session, heard)
    }))
  }

  /**
   * Once its streams are finished, the peer has some time to end the connection. Over TLS a busy Node may keep a
   * session that was closed and has no stream left.
   */
  #dropLater (session: ServerHttp2Session): void {
    this.#clock.after(patience, () => {
      if (!this.#connections.sessions.has(session)) return
      if (session.destroyed) return dropSession(session)
      if (openStreams(session) === 0) session.destroy()
      this.#dropLater(session)
    })
  }
}

/** Where no ping can be sent any more, or one too many is under way, the patience with the peer has to do. */
function ping (session: ServerHttp2Session, answered: () => void): void {
  if (session.destroyed) return answered()
  try {
    session.ping(answered)
  } catch {
    // The peer has just gone.
    answered()
  }
}

/** GOAWAY without an error, whose last stream is the last that there can be: those on the wire are still served. */
const notice = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0])

/** What the kernel says of a connection that takes nothing now, or has just gone. */
const passing = new Set(['EAGAIN', 'EWOULDBLOCK', 'EPIPE', 'ECONNRESET', 'ENOTCONN'])

/**
 * Sends the GOAWAY that warns a client (RFC 9113, 6.8) past nghttp2, whose own notice Node does not offer: after a
 * GOAWAY of Node's nghttp2 ignores new streams, and where none is open reads nothing any more.
 *
 * What waits for the kernel may be half a frame, so nothing may; what nghttp2 hands on later begins with a frame. The
 * first frame of a connection must be nghttp2's.
 *
 * @returns `not now` where the client does not take what it was sent before, or was sent nothing yet; `never` over TLS,
 * on Windows, and wherever Node does not let us
 */
export function sendNotice (carrier: Socket | undefined): 'sent' | 'not now' | 'never' {
  const descriptor = carrier && descriptorOf(carrier)
  if (carrier === undefined || descriptor === undefined) return 'never'
  if (descriptor.waiting > 0 || carrier.bytesWritten === 0) return 'not now'
  try {
    if (writeSync(descriptor.fd, notice) === notice.length) return 'sent'
  } catch (error) {
    return passing.has((error as NodeJS.ErrnoException).code ?? '') ? 'not now' : 'never'
  }
  // Half a frame: nothing that follows would be understood. A kernel has room for less than 17 bytes only where its
  // buffer was filled to the last of them by what was written before, and none of that waits here.
  carrier.destroy()
  return 'not now'
}

/** The open streams of a session, and the most that were open at once. */
interface Streams { readonly open: Set<ServerHttp2Stream>, most: number }

/** The open streams of each session, known from phase 1 on: Node keeps them to itself. */
class SessionStreams {
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

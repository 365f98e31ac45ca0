import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { descriptorOf } from '../fastify/node-internals.ts'

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

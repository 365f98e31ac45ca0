import type { Writable } from 'node:stream'
import { sleep } from '../util/timers.ts'
import { pipesOf } from '../fastify/process-internals.ts'

/** As much of any stream as matters here. */
interface Stream {
  flush?: (callback?: (error?: unknown) => void) => unknown
  write?: unknown
  streams?: unknown
  destroyed?: boolean
  /** sonic-boom: a write is under way. */
  _writing?: boolean
  writableLength?: number
  readableLength?: number
}

/** How often a plain Node stream is asked whether it is empty, in milliseconds. */
const pollInterval = 2
/** How long what somebody has put over a stream's `write` gets to say that it has written, in milliseconds. */
const passedOnWithin = 500

/**
 * Waits until what was logged so far has left the process: sonic-boom destinations (synchronous or not), worker-thread
 * transports, multistreams, streams that are piped on (pino-pretty in the same thread), plain Node streams, those whose
 * `write` somebody has replaced, and loggers with a `flush` of their own. A logger with none of these resolves at once.
 *
 * Nothing is ended: lines can still be logged afterwards, and a transport saves them in its own
 * `exit` listener. It does not reject, and it has no bound of its own: the caller bounds it.
 *
 * @param log the logger; pino's stream is found by the description of its symbol, so pino is no dependency
 */
export async function flushLogger (log: unknown): Promise<void> {
  try {
    await flushStream(pinoStream(log) ?? log, new Set())
  } catch {
    // A broken destination has nothing left to save.
  }
}

/** A child logger inherits the stream from its parent. */
function pinoStream (log: unknown): unknown {
  for (let holder = log; isObject(holder); holder = Object.getPrototypeOf(holder)) {
    const symbol = Object.getOwnPropertySymbols(holder).find(({ description }) => description === 'pino.stream')
    if (symbol !== undefined) return (holder as Record<symbol, unknown>)[symbol]
  }
  return undefined
}

async function flushStream (candidate: unknown, seen: Set<unknown>): Promise<void> {
  if (!isObject(candidate) || seen.has(candidate)) return
  seen.add(candidate)
  const stream: Stream = candidate
  if (stream.destroyed === true) return
  if (typeof stream.flush === 'function') {
    // sonic-boom answers at once while a write is under way, and the exit would then write past it.
    // oxlint-disable-next-line no-await-in-loop -- it is a wait
    while (isWriting(stream)) await sleep(pollInterval)
    return callFlush(stream)
  }
  // pino.multistream has no flush, and its logger's flush would answer at once.
  if (Array.isArray(stream.streams)) {
    await Promise.all(stream.streams.map((entry: { stream?: unknown } | undefined) => flushStream(entry?.stream, seen)))
    return
  }
  await emptied(stream)
  if (isReplaced(stream)) await Promise.race([passedOn(stream), sleep(passedOnWithin)])
  await Promise.all(pipesOf(stream).map((pipe) => flushStream(pipe, seen)))
}

function isWriting (stream: Stream): boolean {
  return stream._writing === true && stream.destroyed !== true
}

/** A `flush` answers through its callback or through a promise; one that takes no callback is over when it returns. */
function callFlush (stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    const answer = stream.flush?.(() => resolve())
    if (typeof (answer as PromiseLike<unknown> | undefined)?.then === 'function') {
      (answer as PromiseLike<unknown>).then(() => resolve(), () => resolve())
    } else if (stream.flush?.length === 0) {
      resolve()
    }
  })
}

async function emptied (stream: Stream): Promise<void> {
  const waiting = (): number =>
    (stream.writableLength ?? 0) + (pipesOf(stream).length > 0 ? stream.readableLength ?? 0 : 0)
  // oxlint-disable-next-line no-await-in-loop -- it is a wait
  while (waiting() > 0 && stream.destroyed !== true) await sleep(pollInterval)
}

/** Whether somebody has put a `write` of their own over a stream's, as pm2 does, which then writes to a file. */
function isReplaced (stream: Stream): boolean {
  const original = (Object.getPrototypeOf(stream) as Stream | null)?.write
  return typeof stream.write === 'function' && typeof original === 'function' && stream.write !== original
}

/** What was written before is out when an empty chunk is; the stream's own buffer knows nothing of it. */
function passedOn (stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    (stream as Pick<Writable, 'write'>).write('', 'utf8', () => resolve())
  })
}

function isObject (value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

import type { Writable } from 'node:stream'
import { pipesOf } from '../fastify/process-internals.ts'
import { setImmediate, sleep } from '../util/timers.ts'
import type { Host, Listener } from './host.ts'
import type { SharedState } from './shared.ts'
import type { Member } from './types.ts'

/**
 * The last step: names what is still open, flushes every log, and exits. Never by re-raising the
 * signal (a death by signal loses every line of a pino transport), never by waiting for an empty loop
 * (a pending top-level await makes that exit 13). Nothing that fails on the way keeps the process.
 *
 * @param members all whose end this is, in the order in which they finished
 * @param code asked for last, because a crash may still come while the logs are flushed
 */
export async function endProcess (
  host: Host,
  shared: SharedState,
  members: Member[],
  code: () => number
): Promise<void> {
  try {
    // The applications are done by now. Whoever awaits their end has its last word first: what follows somebody's
    // `await app.close()`, or the report that a supervisor is sent.
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    logHandles(host, members[0])
    await Promise.all(members.map((member) => flushWithin(host, member)))
  } finally {
    exitProcess(host, shared, code())
  }
}

/** Signals by which the processor tells a process of its own fault. */
const faults = ['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE']

/**
 * Leaves faults to the system again. Where somebody listens for them, as close-with-grace does, what Node does for one
 * returns to the instruction that failed: a fault while the process ends (one of Node 20 was seen) would be repeated
 * forever, on a whole processor, until a SIGKILL.
 */
function leaveFaults ({ events }: Host): void {
  for (const name of faults) events.listeners(name).forEach((one) => { events.off(name, one as Listener) })
}

/** Exits at once; the exit is marked as ours. */
export function exitProcess (host: Host, shared: SharedState, code: number): void {
  shared.exiting = true
  leaveFaults(host)
  host.exit(code)
}

function logHandles (host: Host, member: Member | undefined): void {
  if (member === undefined) return
  try {
    const handles = host.handles()
    if (handles.length > 0) {
      member.log.debug(
        { handles },
        `exiting with ${handles.length} kinds of handles open, which would have kept the process`
      )
    }
  } catch {
    // It is only a hint.
  }
}

async function flushWithin (host: Host, member: Member): Promise<void> {
  await new Promise<void>((resolve) => {
    const { flushTimeout } = member
    const cancel = host.clock.after(typeof flushTimeout === 'number' ? flushTimeout : flushTimeout(), resolve)
    const settle = (): void => {
      cancel()
      resolve()
    }
    new Promise<void>((answer) => { answer(member.flush()) }).then(settle, settle)
  })
}

/** Whether a member is on its way to an end that is more than a plain close. */
export function isShuttingDown ({ lifecycle, finished, exitAsked }: Member): boolean {
  return !finished && lifecycle.ending && (exitAsked || lifecycle.request?.kind !== 'close')
}

function tell (member: Member, code: number): void {
  try {
    member.exited?.(code)
  } catch {
    // Nothing may stand in the way of the exit.
  }
}

/**
 * Says so when the process exits in the midst of a shutdown and it was none of us who ended it. The
 * exit code stays as it was set.
 */
export class ExitWitness {
  readonly #host: Host
  readonly #listener: (code: number) => void
  #installed = false

  /** @param registry its `conclude` answers the code of an end that is ours all the same */
  constructor (
    host: Host,
    shared: SharedState,
    { members, conclude }: { members: () => Member[], conclude: (code: number) => number | undefined }
  ) {
    this.#host = host
    this.#listener = (code) => {
      leaveFaults(host)
      const own = shared.exiting ? undefined : conclude(code)
      if (own !== undefined) {
        host.events.exitCode = own
        return
      }
      const ending = members().filter((member) => isShuttingDown(member) && member.lifecycle.report === undefined)
      for (const member of ending) tell(member, code)
      const [first] = ending
      if (shared.exiting || first === undefined) return
      const where = ending.map(({ name, lifecycle }) => `'${lifecycle.phase}' of ${name}`).join(', ')
      try {
        first.log.error(
          { exitCode: code, phase: first.lifecycle.phase },
          `the process exits with code ${code} in the midst of its shutdown (phase ${where}), and `
            + 'fastify-graceful did not end it: look for a process.exit, for example in another listener of the '
            + 'same signal, or for an uncaught error'
        )
      } catch {
        // The destination may be gone already.
      }
    }
  }

  install (): void {
    if (this.#installed) return
    this.#installed = true
    // In front: a transport's own exit listener ends the stream that the line goes to.
    this.#host.events.prependListener('exit', this.#listener)
  }

  uninstall (): void {
    if (!this.#installed) return
    this.#installed = false
    this.#host.events.off('exit', this.#listener)
  }
}

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

import { inspect } from '../util/node-util.ts'
import type { Faults } from '../util/faults.ts'

/** How many handlers of one WebSocket are remembered while the service runs: a ring, so that nothing grows. */
const ring = 4
/** Who sends again this long after a message that nobody answered, in milliseconds, did not wait for an answer. */
const patience = 1000
/** What is written this long after a message, in milliseconds, is taken for no answer to it. */
const slowestAnswer = 5000
/** How often that has to be seen until a client is known to send without being answered. */
const enough = 2
/** Milliseconds for which a client that has just connected waits for a first word. */
const firstWord = 5000

/** What all WebSockets of an application share. */
export interface MessageSource {
  /** A coarse clock, in milliseconds. */
  readonly clock: { readonly now: number }
  /** Whether every handler is remembered, as it is from phase 1 on. */
  exact: boolean
  /** Takes failures of this part: messages and handlers are the application's. */
  readonly faults: Faults
}

interface Handler { promise: Promise<unknown>, since: number }

/**
 * What is known of the messages of one WebSocket: whether one was read and not yet answered, and
 * whether a handler still works.
 *
 * Nothing is added to a handler's promise: a reaction would take an unhandled rejection for
 * handled. Whether it is pending is asked of `util.inspect`, and only while the service ends.
 */
export class Messages {
  readonly #source: MessageSource
  readonly faults: Faults
  /** What `emit`, `send` and the sender's `sendFrame` were. */
  readonly emit: (event: string | symbol, ...parameters: unknown[]) => boolean
  readonly send: (...parameters: unknown[]) => unknown
  sendFrame: ((list: ReadonlyArray<Buffer | string>, callback?: unknown) => void) | undefined
  /** Bytes of pings and pongs, in both directions: they are no sign of use. */
  control = 0
  readonly #opened: number
  #lastRead = -Infinity
  #lastWritten = -Infinity
  /** Messages read since the last that was answered. */
  #unanswered = 0
  /** How often a message was seen that was not waiting for an answer. */
  #oneWay = 0
  #handlers: Handler[] = []
  #limit = 64
  #next = 0
  /** The promise of a route's handler. */
  #route: Promise<unknown> | undefined

  constructor (source: MessageSource, emit: Messages['emit'], send: Messages['send']) {
    this.#source = source
    this.faults = source.faults
    this.#opened = source.clock.now
    this.emit = emit
    this.send = send
  }

  /** A message was read. */
  noteRead (data: unknown, isBinary: boolean): void {
    if (!isBinary && isHeartbeat(data)) return
    const { now } = this.#source.clock
    if (this.#unanswered > 0 && now - this.#lastRead >= patience) this.#oneWay++
    this.#unanswered++
    this.#lastRead = now
  }

  /** A message was written. */
  noteWritten (data: unknown): void {
    if (isHeartbeat(data)) return
    const { now } = this.#source.clock
    this.#lastWritten = now
    if (this.#unanswered === 0) return
    this.#unanswered--
    if (now - this.#lastRead >= slowestAnswer) this.#oneWay++
  }

  /** A listener of a message has returned a promise. */
  noteHandler (promise: Promise<unknown>): void {
    const handler = { promise, since: this.#source.clock.now }
    if (this.#source.exact || this.#handlers.length < ring) {
      // A drain by hand may last for hours.
      if (this.#handlers.length >= this.#limit) this.#forgetSettled()
      this.#handlers.push(handler)
    } else this.#handlers[this.#next++ % ring] = handler
  }

  /** The handler of the WebSocket's route has returned a promise. */
  noteRoute (promise: Promise<unknown>): void {
    this.#route = promise
  }

  /**
   * Whether somebody waits for what comes of a message, or works on it. What began longer than `oldest`
   * milliseconds ago is a subscription, which will not end in time, and no answer that is late.
   */
  isInHand (now: number, oldest: number): boolean {
    const isRecent = now - this.#lastRead < oldest
    if (this.#unanswered > 0 && isRecent && this.#oneWay < enough) return true
    this.#forgetSettled()
    if (this.#handlers.some(({ since }) => now - since < oldest)) return true
    // A client that has just connected waits for a first word.
    return this.#lastWritten === -Infinity && now - this.#opened < firstWord && this.#route !== undefined
      && isPending(this.#route)
  }

  #forgetSettled (): void {
    this.#handlers = this.#handlers.filter(({ promise }) => isPending(promise))
    this.#limit = Math.max(64, this.#handlers.length * 2)
  }
}

/** Whether a promise has not settled. Nothing of its value is looked at. */
function isPending (promise: Promise<unknown>): boolean {
  const options = { depth: 0, maxStringLength: 0, maxArrayLength: 0, customInspect: false, getters: false }
  return inspect(promise, options).includes('<pending>')
}

/** Engine.IO's ping and pong, which travel as messages: one digit. */
function isHeartbeat (data: unknown): boolean {
  if (data === undefined || data === null) return false
  const { length, 0: first } = data as { length?: unknown, 0?: unknown }
  return length === 1 && (first === 0x32 || first === 0x33 || first === '2' || first === '3')
}

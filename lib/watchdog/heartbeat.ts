/** Milliseconds between two heartbeats of the main thread at most, and between two tellings of what is new. */
export const heartbeatInterval = 200
/** A heartbeat older than this means that the event loop does not turn now, in milliseconds. */
export const silent: number = 2 * heartbeatInterval

// Kept: a test may replace it later.
const { bigint: hrtime } = process.hrtime

/** Milliseconds of a clock that never goes backwards, and that is the same in all threads of a process. */
export function monotonic (): number {
  return Number(hrtime()) / 1e6
}

const slots = { beat: 0, debuggable: 1, signalled: 2, farewell: 3, prestop: 4, blockedIn: 5 } as const
const slotBytes = Object.keys(slots).length * BigInt64Array.BYTES_PER_ELEMENT
/** Bytes of the text that is shared. */
const textBytes = 1024

/**
 * What the threads share without a message: one writes, the others read, and none waits. All that changes less often
 * goes as a message, which is in the other thread's queue as soon as it is posted, whatever the main thread does next.
 */
export class Heartbeat {
  readonly buffer: SharedArrayBuffer
  readonly #words: BigInt64Array
  readonly #text: Uint8Array

  constructor (buffer: SharedArrayBuffer = new SharedArrayBuffer(slotBytes + textBytes)) {
    this.buffer = buffer
    this.#words = new BigInt64Array(buffer, 0, slotBytes / BigInt64Array.BYTES_PER_ELEMENT)
    this.#text = new Uint8Array(buffer, slotBytes)
  }

  /** The event loop of the main thread turns. */
  beat (now: number = monotonic()): void {
    this.#write(slots.beat, now)
  }

  /** When it turned last. */
  get last (): number {
    return this.#read(slots.beat)
  }

  /** Whether the main thread's inspector listened at the last heartbeat: a person may hold it at a breakpoint. */
  get debuggable (): boolean {
    return this.#read(slots.debuggable) !== 0
  }

  set debuggable (open: boolean) {
    this.#write(slots.debuggable, open ? 1 : 0)
  }

  /** When the watchdog saw the last signal, which the main thread may hear of much later; 0 while there was none. */
  get signalled (): number {
    return this.#read(slots.signalled)
  }

  set signalled (at: number) {
    this.#write(slots.signalled, at)
  }

  /** When a preStop hook called that the main thread may not know of; undefined where none did. */
  get prestop (): number | undefined {
    return this.#read(slots.prestop) || undefined
  }

  set prestop (at: number | undefined) {
    this.#write(slots.prestop, at ?? 0)
  }

  /** What holds the event loop in the block that is under way; undefined where that is not known. */
  get blockedIn (): string | undefined {
    const length = Number(Atomics.load(this.#words, slots.blockedIn))
    return length === 0 ? undefined : Buffer.from(this.#text.slice(0, length)).toString()
  }

  set blockedIn (text: string | undefined) {
    Atomics.store(this.#words, slots.blockedIn, 0n)
    if (text === undefined) return
    const { written } = new TextEncoder().encodeInto(text, this.#text)
    Atomics.store(this.#words, slots.blockedIn, BigInt(written))
  }

  /** Holds the main thread until the watchdog has told all that the end is over, at most `timeout` milliseconds. */
  awaitFarewell (timeout: number): void {
    Atomics.wait(this.#words, slots.farewell, 0n, timeout)
  }

  /** Everybody has been told. */
  bidFarewell (): void {
    Atomics.store(this.#words, slots.farewell, 1n)
    Atomics.notify(this.#words, slots.farewell)
  }

  #read (slot: number): number {
    return Number(Atomics.load(this.#words, slot)) / 1000
  }

  #write (slot: number, value: number): void {
    Atomics.store(this.#words, slot, BigInt(Math.round(value * 1000)))
  }
}

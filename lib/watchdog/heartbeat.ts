import type { WatchedState } from './protocol.ts'

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

/** What was seen of an application's requests in flight. */
export type Snapshot = Pick<WatchedState, 'requests' | 'seenAt' | 'inFlight'>

/** Nothing was seen: there was no look yet, or there were too many to look at. */
export const unseen: Snapshot = { requests: [], seenAt: undefined, inFlight: undefined }

/** Bytes for one look at all applications of the process. */
const capacity = 16_384

/**
 * The last look at the requests in flight, in memory that both threads share. A service under load
 * has other requests with each look, and a message would wake the watchdog's thread for each, of
 * which it needs none before something hangs.
 *
 * Two looks have room: one is read while the other is written, and the number of the last one says which. A main thread
 * that stands still in the midst of a look leaves the one before.
 */
export class SharedSnapshots {
  readonly buffer: SharedArrayBuffer
  /** How many looks there were, and the lengths of the last two. */
  readonly #words: Int32Array
  readonly #halves: readonly [Buffer, Buffer]
  #last: { version: number, text: string } = { version: 0, text: '' }

  constructor (buffer: SharedArrayBuffer = new SharedArrayBuffer(16 + 2 * capacity)) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer, 0, 3)
    this.#halves = [Buffer.from(buffer, 16, capacity), Buffer.from(buffer, 16 + capacity, capacity)]
  }

  /** Grows with each look that has brought anything new. */
  get version (): number {
    return Atomics.load(this.#words, 0)
  }

  /** @param snapshots in the order of the applications; without their requests where these have no room */
  write (snapshots: readonly Snapshot[]): void {
    const whole = JSON.stringify(snapshots)
    const fits = Buffer.byteLength(whole) <= capacity
    const text = fits ? whole : JSON.stringify(snapshots.map(({ inFlight }) => ({ ...unseen, inFlight })))
    if (text === this.#last.text || Buffer.byteLength(text) > capacity) return
    const version = this.version + 1
    const half = version & 1
    Atomics.store(this.#words, 1 + half, this.#halves[half]!.write(text))
    Atomics.store(this.#words, 0, version)
    this.#last = { version, text }
  }

  /** The last look; empty where there was none. */
  read (): Snapshot[] {
    for (let tries = 0; tries < 3 && this.#last.version !== this.version; tries++) {
      const { version } = this
      const half = version & 1
      const text = this.#halves[half]!.toString('utf8', 0, Atomics.load(this.#words, 1 + half))
      // After the next look this half may be written over.
      if (this.version === version) this.#last = { version, text }
    }
    return this.#last.text === '' ? [] : JSON.parse(this.#last.text) as Snapshot[]
  }
}

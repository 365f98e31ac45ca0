import type { WatchedState } from './protocol.ts'

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

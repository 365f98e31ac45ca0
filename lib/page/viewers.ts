import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { afterUnref, setTimeout } from '../util/timers.ts'
import { epochNow, monotonicNow } from '../clock.ts'
import { changesOf, isGone } from './outlet.ts'
import type { Outlet } from './outlet.ts'

/** What a viewer is shown: the whole, the state that anyone may know, or that where a token would show the whole. */
export type Access = 'whole' | 'public' | 'token'

/** What precedes every state that is shown. */
export interface Envelope {
  /** Epoch milliseconds at which the state was so. */
  at: number
  /** A random name, made once in a process: another name tells of another process. */
  instance: string
  access: Access
  /** Which of the service's processes it is; for those who are shown the whole. */
  process?: { hostname: string, pid: number }
}

/** What the viewers look at. */
export interface ViewerPorts {
  /** What anyone may know. */
  publicStatus: () => object
  /** The whole; a big list in it is cut. */
  status: () => object | Promise<object>
  /** How many watch, whenever that changes. */
  counted?: (viewers: number) => void
  /** Milliseconds between two looks at least. Default: a quarter of a second. */
  interval?: number
  /** Milliseconds of a clock that never goes backwards. Default: the machine's. */
  now?: () => number
  /** Calls once after `delay` milliseconds, without keeping the process; the answer cancels it. Default: a timer. */
  after?: (delay: number, callback: () => void) => () => void
}

/** Bounds of the stream. Times are milliseconds, but `retryAfter`, in seconds. */
export const streamBounds: Readonly<Record<Bound, number>> =
  { viewers: 20, interval: 250, heartbeat: 15_000, retry: 2000, retryAfter: 5, buffered: 256 * 1024, farewell: 1000 }
type Bound = 'viewers' | 'interval' | 'heartbeat' | 'retry' | 'retryAfter' | 'buffered' | 'farewell'
/** Requests that those who watch are shown by name. */
export const mostShown = 50
/** A look takes at most this share of the time of the event loop. */
const share = 1 / 20

interface Viewer {
  outlet: Outlet
  access: Access
  /** When it was last told anything; undefined until it has the state. */
  told: number | undefined
}
/** The state that all viewers of one kind were told last, and when. */
interface Told { state: object, at: number }

/**
 * Everybody who watches the status live, as server-sent events: the state first, then what of it changes, several
 * changes in one where they come fast. Without a viewer there is no timer, and nobody is asked.
 */
export class Viewers {
  readonly #ports: ViewerPorts
  readonly #now: () => number
  readonly #viewers = new Set<Viewer>()
  /** By whether it is the whole. */
  readonly #told = new Map<boolean, Told>()
  #instance: string | undefined
  #cancel: (() => void) | undefined
  #looking = false
  #finished = false

  constructor (ports: ViewerPorts) {
    this.#ports = ports
    this.#now = ports.now ?? (() => monotonicNow())
  }

  /** How many watch. */
  get size (): number {
    return this.#viewers.size
  }

  /** Whether one more may watch. The authorised take the place of somebody who is shown next to nothing. */
  hasRoom (access: Access): boolean {
    if (this.#finished) return false
    return this.#viewers.size < streamBounds.viewers || (access === 'whole' && this.#idler() !== undefined)
  }

  /** The state as the page is built from, and as every stream begins. */
  async show (access: Access): Promise<Envelope & object> {
    return { ...this.#envelope(access), ...await this.#read(access === 'whole') }
  }

  /** Adds a viewer, unless it has left meanwhile. */
  async add (outlet: Outlet, access: Access): Promise<void> {
    if (isGone(outlet)) return
    if (this.#viewers.size >= streamBounds.viewers) this.#end(this.#idler())
    const viewer: Viewer = { outlet, access, told: undefined }
    this.#viewers.add(viewer)
    this.#ports.counted?.(this.#viewers.size)
    outlet.on('close', () => this.#remove(viewer))
    // Whatever it is, 'close' follows.
    outlet.on('error', () => {})
    const whole = access === 'whole'
    // What the others were told last: all changes from there on go to everybody.
    const known = this.#told.get(whole) ?? await this.#first(whole)
    if (known === undefined) outlet.destroy()
    if (known === undefined || !this.#viewers.has(viewer)) return
    if (!this.#told.has(whole)) this.#told.set(whole, known)
    const { state, at } = this.#told.get(whole) ?? known
    this.#write(viewer, `retry: ${streamBounds.retry}\n${event('status', { ...this.#envelope(access, at), ...state })}`)
    this.#wait(0)
  }

  /** The end: everybody gets the last changes as the event `report`, and the stream ends. Waits for nobody. */
  finish (whole: object, open: object): void {
    this.#finished = true
    this.#cancel?.()
    const left = [...this.#viewers]
    for (const viewer of left) {
      const isWhole = viewer.access === 'whole'
      const state = isWhole ? whole : open
      this.#write(viewer, event('report', {
        at: epochNow(),
        ...viewer.told === undefined ? state : this.#changes(isWhole, state)
      }))
      this.#end(viewer)
    }
    this.#told.clear()
  }

  async #first (whole: boolean): Promise<Told | undefined> {
    const state = await this.#read(whole).catch(() => undefined)
    return state && { state, at: this.#now() }
  }

  async #read (whole: boolean): Promise<object> {
    return whole ? this.#ports.status() : this.#ports.publicStatus()
  }

  #envelope (access: Access, at = this.#now()): Envelope {
    return {
      at: Math.round(epochNow() - (this.#now() - at)),
      instance: this.#instance ??= randomUUID(),
      access,
      ...access === 'whole' && { process: { hostname: hostname(), pid: process.pid } }
    }
  }

  /** Looks for changes, and tells them. */
  async #look (): Promise<void> {
    this.#cancel = undefined
    this.#looking = true
    const began = this.#now()
    const kinds = new Set([...this.#viewers].map(({ access }) => access === 'whole'))
    const states = [...kinds].map((whole) => [whole, this.#read(whole)] as const)
    // Reading and telling count, and not the time between them: while others answer, this event loop is free.
    let cost = this.#now() - began
    for (const [whole, reading] of states) {
      // oxlint-disable-next-line no-await-in-loop -- two at most, both under way
      const state = await reading.catch(() => undefined)
      const told = this.#now()
      if (state !== undefined && !this.#finished) this.#tell(whole, state)
      cost += this.#now() - told
    }
    for (const viewer of this.#viewers) {
      if (viewer.told !== undefined && this.#now() - viewer.told >= streamBounds.heartbeat) {
        this.#tellOne(viewer, ':\n\n')
      }
    }
    this.#looking = false
    this.#wait(cost / share)
  }

  #tell (whole: boolean, state: object): void {
    // Everybody has left meanwhile.
    if (!this.#told.has(whole)) return
    const changes = this.#changes(whole, state)
    if (changes === undefined) return
    this.#told.set(whole, { state, at: this.#now() })
    const text = event('change', { at: epochNow(), ...changes })
    for (const viewer of this.#viewers) {
      if (viewer.told !== undefined && (viewer.access === 'whole') === whole) this.#tellOne(viewer, text)
    }
  }

  #changes (whole: boolean, state: object): object | undefined {
    const told = this.#told.get(whole)
    return told === undefined ? state : changesOf(told.state, state, this.#now() - told.at)
  }

  #wait (least: number): void {
    if (this.#cancel !== undefined || this.#looking || this.#finished || this.#viewers.size === 0) return
    const after = this.#ports.after ?? afterUnref
    this.#cancel = after(Math.max(this.#ports.interval ?? streamBounds.interval, least), () => { void this.#look() })
  }

  #write (viewer: Viewer, text: string): void {
    if (isGone(viewer.outlet)) return
    viewer.outlet.write(text)
    viewer.told = this.#now()
  }

  /** A viewer that reads nothing must not fill our memory. The text that is just being written is no sign of that. */
  #tellOne (viewer: Viewer, text: string): void {
    if (viewer.outlet.writableLength <= streamBounds.buffered) return this.#write(viewer, text)
    this.#remove(viewer)
    viewer.outlet.destroy()
  }

  /** The first of those who are not authorised. */
  #idler (): Viewer | undefined {
    for (const viewer of this.#viewers) if (viewer.access !== 'whole') return viewer
    return undefined
  }

  #end (viewer: Viewer | undefined): void {
    if (viewer === undefined) return
    this.#remove(viewer)
    viewer.outlet.end()
    setTimeout(() => viewer.outlet.destroy(), streamBounds.farewell).unref()
  }

  #remove (viewer: Viewer): void {
    if (!this.#viewers.delete(viewer)) return
    this.#ports.counted?.(this.#viewers.size)
    const isWhole = viewer.access === 'whole'
    // Nobody looks for them any more.
    if (![...this.#viewers].some(({ access }) => (access === 'whole') === isWhole)) this.#told.delete(isWhole)
    if (this.#viewers.size > 0) return
    this.#cancel?.()
    this.#cancel = undefined
  }
}

function event (name: string, data: object): string {
  // Two characters end a line to some readers, and not in JSON.
  const json = JSON.stringify(data).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  return `event: ${name}\ndata: ${json}\n\n`
}

import type { Clock } from '../clock.ts'

/** Never slower than so many a second, so that few are told at once. kube-apiserver ends its watches at that rate. */
const leastPerSecond = 200
/** Milliseconds between two batches. */
const interval = 10

/** How a {@link pace} begins, and whether few are spread. */
export interface PaceOptions {
  /** Milliseconds until it begins: who has a lot to do at once gives each part a turn of its own. */
  delay?: number
  /** Whether few are spread over all of the time, too. */
  exactly?: boolean
}

/**
 * Does something to many, spread over `spread` milliseconds, a few at a time: those who are told to go
 * come back elsewhere, and 20,000 of them should neither hold the event loop nor arrive as one wave.
 *
 * @param find says who they are, when it begins
 * @param act must not throw: the others would not be told
 * @returns stops it
 */
export function pace<T> (
  clock: Clock,
  find: () => Iterable<T>,
  spread: number,
  act: (item: T) => void,
  { delay = 0, exactly = false }: PaceOptions = {}
): () => void {
  if (delay === 0) return paceNow(clock, find(), spread, act, exactly)
  let stop = clock.after(delay, () => { stop = paceNow(clock, find(), spread, act, exactly) })
  return () => stop()
}

function paceNow<T> (
  clock: Clock,
  items: Iterable<T>,
  spread: number,
  act: (item: T) => void,
  exactly: boolean
): () => void {
  const queue = [...items]
  const fitting = spread > 0 ? queue.length * 1000 / spread : Infinity
  const perSecond = exactly ? fitting : Math.max(leastPerSecond, fitting)
  let next = 0
  let cancel: (() => void) | undefined
  const started = clock.now()
  // Behind time, a busy process catches up in steps: one long turn would only make the next one longer.
  const most = Math.ceil(2 * interval * perSecond / 1000)
  const batch = (): void => {
    const due = Math.min(queue.length, next + most, Math.ceil((clock.now() - started + interval) * perSecond / 1000))
    while (next < due) act(queue[next++] as T)
    cancel = next < queue.length ? clock.after(interval, batch) : undefined
  }
  batch()
  return () => cancel?.()
}

/** How connections are told to reconnect elsewhere; the option `announce.shed`. */
export type Shed = 'gradual' | 'immediate' | 'off'

/**
 * The share of replies and sessions that are told to go, 0 to 1, after `elapsed` of `length`
 * milliseconds; none before the ramp has begun. Telling all of them at once sends all of them back at
 * once, and to this very replica while the balancer still lists it (Envoy ramps for the same reason).
 */
export function ramp (shed: Shed, elapsed: number, length: number): number {
  if (shed === 'off' || elapsed < 0) return 0
  if (shed === 'immediate' || length <= 0) return 1
  return Math.min(1, elapsed / length)
}

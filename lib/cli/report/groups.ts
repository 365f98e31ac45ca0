/** Equal things, how many there were, in how many reports, and the longest of them with whose it was. */
export type Group<T> = T & { count: number, reports: number, longest?: number, longestOf?: string }

/** Different things that are told apart; what comes beyond is not. */
const mostGroups = 10_000

/** Counts equal things. */
export class Groups<T extends object> {
  readonly #groups = new Map<string, { group: Group<T>, last: unknown }>()

  /**
   * @param thing what is equal
   * @param of the report that it is of, and how it is called
   * @param time milliseconds that it took
   */
  add (thing: T, of: { name: string }, { count = 1, time }: { count?: number, time?: number | undefined } = {}): void {
    const key = JSON.stringify(thing)
    let entry = this.#groups.get(key)
    if (entry === undefined) {
      if (this.#groups.size >= mostGroups) return
      this.#groups.set(key, entry = { group: { ...thing, count: 0, reports: 0 }, last: undefined })
    }
    const { group, last } = entry
    group.count += count
    if (last !== of) group.reports++
    entry.last = of
    if (time !== undefined && time >= (group.longest ?? 0)) Object.assign(group, { longest: time, longestOf: of.name })
  }

  /** The most frequent first. */
  get sorted (): Array<Group<T>> {
    return [...this.#groups.values()].map(({ group }) => group).toSorted((one, other) => other.count - one.count)
  }
}

/** A time, and whose it was. */
export interface Sample { time: number, name: string }

/** How times are spread. All in milliseconds. */
export interface Spread {
  count: number
  least: number
  median: number
  /** Nine of ten took no longer. */
  most90: number
  longest: number
  longestOf: string
}

/** How times are spread; undefined where there are none. */
export function spreadOf (samples: readonly Sample[]): Spread | undefined {
  const sorted = samples.toSorted((one, other) => one.time - other.time)
  const [first, last] = [sorted[0], sorted.at(-1)]
  if (first === undefined || last === undefined) return undefined
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!.time
  const half = sorted.length / 2
  return {
    count: sorted.length,
    least: first.time,
    median: Math.round((at(0.5) + (Number.isInteger(half) ? sorted[half]!.time : at(0.5))) / 2),
    most90: at(0.9),
    longest: last.time,
    longestOf: last.name
  }
}

/** How many times lie from one bound, inclusive, to the next; the last has no end. In milliseconds. */
export interface Bucket { from: number, to: number | undefined, count: number }

const bounds = [0, 1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 60_000]

/** How often times lie where, without the empty ends. */
export function bucketsOf (times: readonly number[]): Bucket[] {
  const buckets = bounds.map((from, index): Bucket => {
    const to = bounds[index + 1]
    return { from, to, count: times.filter((time) => time >= from && time < (to ?? Infinity)).length }
  })
  const last = buckets.findLastIndex(({ count }) => count > 0)
  return buckets.slice(0, last + 1)
}

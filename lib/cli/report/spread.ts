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

/** Longest interval of a prober that is taken for a front end, in milliseconds; a tenth of it is allowed for jitter. */
export const longestInterval = 11_000

/** Gaps that a mean is taken of. */
const recentGaps = 8
/** A gap of a steady caller is at least half and at most twice the median. */
const spread = 2
/** Share of the questions that may belong to none of the probers that were found. */
const mostUnexplained = 0.25
/** Share of the gaps that are near the median where somebody asks steadily. */
const mostlyRegular = 0.6
/** Gaps that are tried as the interval of one of several probers, counted from each time. */
const widestLook = 6

/** How often a caller asks. */
export interface Rhythm {
  /** Milliseconds between two questions; of several probers that cannot be told apart, those of the slowest. */
  interval: number
  /** Whether the questions come at fixed intervals. */
  isSteady: boolean
  /** Whether several probers ask, each at an interval of its own: two balancers behind one address. */
  isSeveral: boolean
}

/** Finds out how often a caller asks; undefined for fewer than two questions. `times` are in order. */
export function rhythmOf (times: readonly number[]): Rhythm | undefined {
  if (times.length < 2) return undefined
  const gaps = times.map((time, index) => time - (times[index - 1] ?? time)).slice(1)
  const median = medianOf(gaps)
  if (gaps.every((gap) => gap >= median / spread && gap <= median * spread)) {
    return { interval: median, isSteady: true, isSeveral: false }
  }
  // On a busy machine some questions of a steady caller come late. Those of several probers never
  // leave a longer gap than one does.
  const regular = gaps.filter((gap) => gap >= median / spread && gap <= median * spread).length
  const isLate = gaps.some((gap) => gap > median * spread)
  if (isLate && regular >= gaps.length * mostlyRegular) {
    return { interval: median * spread, isSteady: true, isSeveral: false }
  }
  if (isSometimesLate(gaps, median)) return { interval: median, isSteady: true, isSeveral: false }
  const intervals = separate(times)
  if (intervals.length > 0) return { interval: Math.max(...intervals), isSteady: true, isSeveral: intervals.length > 1 }
  return { interval: Math.max(...gaps.slice(-3)), isSteady: false, isSeveral: false }
}

/** The mean of the last gaps; for a caller of whose questions only some come here, in no order. */
export function meanInterval (times: readonly number[]): number | undefined {
  if (times.length < 2) return undefined
  const recent = times.slice(-recentGaps - 1)
  return (recent.at(-1)! - recent[0]!) / (recent.length - 1)
}

function medianOf (values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Takes apart the questions of several probers: the interval of each. The one that asks most often is found first. */
function separate (times: readonly number[]): number[] {
  const intervals: number[] = []
  let left = [...times]
  while (left.length >= 2 && intervals.length < 4) {
    const chain = longestChain(left, times.at(-1)!)
    if (chain === undefined) break
    const interval = (chain.at(-1)! - chain[0]!) / (chain.length - 1)
    intervals.push(interval)
    const taken = new Set(chain)
    left = left.filter((time) => !taken.has(time))
  }
  // Among questions at random some are at one interval by chance.
  if (left.length > times.length * mostUnexplained) return []
  // A slow one that has asked twice so far beside a fast one.
  const rest = Math.max(...left.map((time, index) => time - (left[index - 1] ?? time)))
  const isAlive = left.length >= 2 && times.at(-1)! - left.at(-1)! <= 2 * rest
  if (intervals.length > 0 && isAlive && rest <= longestInterval) intervals.push(rest)
  return intervals
}

/** Whether gaps are those of one prober that is late now and then: none is missing, and none is too many. */
function isSometimesLate (gaps: readonly number[], median: number): boolean {
  const span = gaps.reduce((sum, gap) => sum + gap, 0)
  const usual = gaps.filter((gap) => Math.abs(gap - median) <= median * 0.15 + 20)
  // The first or the last question may be the late one.
  const isComplete = Math.abs(gaps.length - span / median) < 0.6
  return isComplete && usual.length >= gaps.length * 0.6 && Math.max(...gaps) <= 2 * median
}

/** The longest row of times at one interval that has not ended long before `end`. */
function longestChain (times: readonly number[], end: number): number[] | undefined {
  let best: number[] | undefined
  for (let start = 0; start < times.length - 1; start++) {
    for (let next = start + 1; next < Math.min(times.length, start + 1 + widestLook); next++) {
      const interval = times[next]! - times[start]!
      if (interval < 1 || interval > longestInterval) continue
      const chain = follow(times, start, interval)
      // Of two probers the slower one may have asked three times at least; the first of two equally
      // long rows is the faster one.
      if (chain.length >= 3 && end - chain.at(-1)! <= 2 * interval && chain.length > (best?.length ?? 0)) best = chain
    }
  }
  return best
}

/** The times that follow from `start` at an interval, one question left out at the most. */
function follow (times: readonly number[], start: number, interval: number): number[] {
  const tolerance = interval * 0.15 + 20
  const chain = [times[start]!]
  for (let index = start + 1; index < times.length; index++) {
    const late = times[index]! - chain.at(-1)! - interval
    if (late > tolerance) break
    if (late >= -tolerance) chain.push(times[nearest(times, index, chain.at(-1)! + interval)]!)
  }
  return chain
}

/** Of the times from `index` on, the one that is nearest to what was expected. */
function nearest (times: readonly number[], index: number, expected: number): number {
  let best = index
  while (best + 1 < times.length && Math.abs(times[best + 1]! - expected) < Math.abs(times[best]! - expected)) best++
  return best
}

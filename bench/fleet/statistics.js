// What is made of the figures.

/** The normal quantile of a two-sided confidence of 95 %. */
const z = 1.959964

/** Wilson's interval of a share, `hits` of `trials`, with a confidence of 95 %. Takes fractions of both. */
export function wilson (hits, trials) {
  if (trials <= 0) return { low: 0, high: 1 }
  const share = hits / trials
  const weight = 1 + z * z / trials
  const middle = (share + z * z / (2 * trials)) / weight
  const half = z / weight * Math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
  return { low: hits === 0 ? 0 : Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

export function mean (numbers) {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}

/** The value below which a share of all lies; `share` is from 0 to 1. */
export function quantile (numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

/**
 * Losses per million requests, with a confidence of 95 %. Losses come in heaps, several of one replica: the interval
 * is that of as many fewer independent ones as the variance between replicas is larger than their mean.
 *
 * @param losses of each replica
 * @param requests over which they are spread, all together
 */
export function perMillion (losses, requests) {
  const average = mean(losses)
  const variance = losses.length < 2
    ? average
    : losses.reduce((sum, lost) => sum + (lost - average) ** 2, 0) / (losses.length - 1)
  const heap = average === 0 ? 1 : Math.max(1, variance / average)
  const total = average * losses.length
  const { low, high } = wilson(total / heap, requests / heap)
  return { value: total / requests * 1e6, low: low * 1e6, high: high * 1e6 }
}

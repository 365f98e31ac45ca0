// How long after SIGTERM what is in front still sends new connections to a replica. Each row has its source.

/** Milliseconds by their quantiles; between two of them the logarithm is linear. */
const hundredNodes = [[0, 70], [0.5, 1520], [0.9, 2282], [0.99, 6815], [1, 13_630]]
const scaled = factor => hundredNodes.map(([share, lag]) => [share, lag * factor])

/**
 * Where the figures come from:
 * - `one`: measured on a cluster of one node, 0.07 to 1.2 s: charts/graceful-lib/templates/_presets.tpl
 * - `hundred`: network programming latency in Kubernetes' performance test of 100 nodes, median 1.52 s, 90 % 2.28 s,
 *   99 % 6.82 s: https://github.com/kubernetes/kubernetes/pull/124272
 * - `thousands`, `thousandsSlow`: 99 % are 10 to 11 s and 20 to 25 s in its tests of 5,000 nodes on AWS and on GCP:
 *   https://github.com/kubernetes/perf-tests/issues/2407. The other quantiles are assumed to be in proportion to those
 *   of 100 nodes.
 * Assumed: no lag is below 70 ms or above twice its 99 %.
 */
export const lags = {
  one: { title: 'kube-proxy, 1 node', quantiles: [[0, 70], [1, 1200]] },
  hundred: { title: 'kube-proxy, 100 nodes', quantiles: hundredNodes },
  thousands: { title: 'kube-proxy, 5,000 nodes (AWS)', quantiles: scaled(10_500 / 6815) },
  thousandsSlow: { title: 'kube-proxy, 5,000 nodes (GCP)', quantiles: scaled(22_500 / 6815) }
}

/** Draws a lag in milliseconds. */
export function drawLag (quantiles, random) {
  const share = random.next()
  const index = quantiles.findIndex(([upTo]) => share < upTo)
  const [low, least] = quantiles[index - 1]
  const [high, most] = quantiles[index]
  return least * (most / least) ** ((share - low) / (high - low))
}

/**
 * Who still lists a replica after its SIGTERM. A new connection comes by one of the nodes, each as likely as another.
 *
 * @param front `nodes` with `quantiles`; or a balancer that has `removal`, the least and the most milliseconds
 */
export function drawListing ({ nodes = 1, quantiles, removal }, random) {
  const times = removal === undefined
    ? Float64Array.from({ length: nodes }, () => drawLag(quantiles, random))
    : Float64Array.of(random.between(...removal))
  return {
    /** When the last of them has heard, in milliseconds. */
    last: times.reduce((most, time) => Math.max(most, time), 0),
    /** Whether the one by which a connection comes still sends. */
    sends: elapsed => times[times.length === 1 ? 0 : random.below(times.length)] > elapsed
  }
}

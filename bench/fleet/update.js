// A rolling update of a fleet, put together from the ends of some of its replicas. All replicas are alike, so that any
// of them stands for the rest: what one loses is multiplied, and what the others that end with it send to it comes as
// a stream of its own, with the rate that the replicas before it have shown.
import { bin, bins, endOne } from './ending.js'
import { Random } from './random.js'
import { mean, perMillion, quantile } from './statistics.js'

/** Milliseconds from the start of a replica until it is ready, where a fleet has none of its own. */
const usualBoot = [3000, 8000]
/** A Deployment's own default. */
const usualSurge = 0.25
/** Bins of a second. */
const second = 1000 / bin

/** Simulates one. @param endings replicas whose end is simulated, besides one whose figures are not used */
export async function simulate (fleet, { endings, seed = 1 }) {
  const { replicas } = fleet
  const surge = surgeOf(fleet)
  const sum = new Float64Array(bins)
  const results = []
  for (let index = 0; index <= endings; index++) {
    const field = index === 0 || surge === 1
      ? undefined
      : sum.map(count => count / index * (surge - 1) / replicas * second)
    const result = await endOne(fleet, seed * 100_003 + index, field)
    for (let at = 0; at < bins; at++) sum[at] += result.left[at]
    if (index > 0) results.push(result)
  }
  const left = sum.map(count => count / (endings + 1))
  return figuresOf(fleet, results, left, lengthOf(fleet, results, seed))
}

function surgeOf ({ replicas, surge = usualSurge }) {
  return Math.max(1, Math.ceil(replicas * surge))
}

function figuresOf (fleet, results, left, length) {
  const { replicas, fresh = 0, webSockets = 0 } = fleet
  const surge = surgeOf(fleet)
  // Each WebSocket is opened once more.
  const requests = rateOf(fleet) * length / 1000 + webSockets
  const losses = results.map(result => result.losses)
  const took = results.map(result => result.took)
  const gone = sumOf(left)
  const peak = surge * busiest(left) + fresh
  return {
    endings: results.length,
    lost: sumOf(losses),
    byKind: Object.fromEntries(['refused', 'reused', 'cut'].map(kind =>
      [kind, results.reduce((all, result) => all + result.lost[kind], 0)])),
    perMillion: perMillion(losses, requests * results.length / replicas),
    length,
    phase1: quantile(results.map(result => result.phase1), 0.5),
    took: quantile(took, 0.5),
    longest: Math.max(...took),
    observed: mean(results.map(({ evidence }) => evidence === 'observed' ? 1 : 0)),
    peak,
    // Of one replica: in a fleet those that end at once differ in the length of phase 1.
    peakShare: mean(results.map(result => busiest(result.left) / Math.max(1, sumOf(result.left)))),
    wave: surge * gone + fresh,
    newestPeak: peak / replicas,
    held: heldOf(replicas, surge)
  }
}

function sumOf (counts) {
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Requests per second of a whole fleet. */
function rateOf ({ keepAlive = 0, think = 2000, fresh = 0 }) {
  return keepAlive * 1000 / (think + 40) + fresh
}

/** The most in any second, of counts by bins. */
function busiest (left) {
  let most = 0
  let sum = 0
  for (let at = 0; at < left.length; at++) {
    sum += left[at] - (left[at - second] ?? 0)
    most = Math.max(most, sum)
  }
  return most
}

/**
 * Milliseconds from the first start to the last exit, as a Deployment does it: `surge` replicas start at a time, each
 * that is ready lets an old one end, and nobody waits for its exit.
 */
function lengthOf (fleet, results, seed) {
  const random = new Random(seed)
  const [least, most] = fleet.boot ?? usualBoot
  const slots = Float64Array.from({ length: surgeOf(fleet) }, () => 0)
  for (let started = 0; started < fleet.replicas; started++) {
    let next = 0
    // Of a large surge any slot is as good: they are taken in turn.
    if (slots.length > 64) next = started % slots.length
    else for (let slot = 1; slot < slots.length; slot++) if (slots[slot] < slots[next]) next = slot
    slots[next] += random.between(least, most)
  }
  return Math.max(...slots) + quantile(results.map(({ took }) => took), 0.5)
}

/**
 * Connections that the first and the last new replicas hold after the update, as multiples of the mean, where clients
 * come back at random and none leaves otherwise.
 */
export function heldOf (replicas, surge) {
  let grown = 0
  let added = 0
  for (let left = replicas; left > 0; left -= surge) {
    added = Math.min(surge, left) * (1 + grown) / replicas
    grown += added
  }
  return { first: grown, newest: added }
}

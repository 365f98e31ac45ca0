// The end of one replica of a fleet, from a minute before its SIGTERM until nobody sends to it any more.
import { arrive, patterns } from './arrivals.js'
import { KeptClient, listen, visit } from './clients.js'
import { VirtualClock } from './clock.js'
import { drawListing } from './lags.js'
import { Random, withRandom } from './random.js'
import { Replica, settingsOf } from './replica.js'

/** Milliseconds before the SIGTERM: the rate is known from a minute, and connections are looked at from a second on. */
const before = 66_000
const lead = 1000
/** Milliseconds of one bin of the connections that go elsewhere, and their number. */
export const bin = 100
export const bins = 2000

/**
 * Ends one replica.
 *
 * @param fleet as in `fleets.js`
 * @param field connections per second that other replicas, which end at the same time, send to this one, by bins
 */
export function endOne (fleet, seed, field) {
  const random = new Random(seed)
  return withRandom(random, () => run(fleet, random, field))
}

async function run (fleet, random, field) {
  const { replicas, keepAlive = 0, webSockets = 0, fresh = 0, pattern = 'steady', front, options } = fleet
  const clock = new VirtualClock()
  const listing = drawListing(front, random)
  const left = new Float64Array(bins)
  const lost = { refused: 0, reused: 0, cut: 0 }
  let exitedAt
  const replica = new Replica(clock, settingsOf(options), () => { exitedAt = clock.now() })
  const elapsed = () => clock.now() - before
  const isListed = () => elapsed() < 0 || listing.sends(elapsed())
  const place = {
    clock, random, replica,
    behaviour: behaviourOf(fleet, random),
    isHere: () => isListed() && random.next() * replicas < 1,
    lose: (kind) => { lost[kind]++ },
    leave: () => { left[Math.min(bins - 1, Math.max(0, Math.floor(elapsed() / bin)))]++ }
  }
  const isOver = () => exitedAt !== undefined && elapsed() > listing.last
  const base = { perSecond: fresh / replicas, pattern: patterns[pattern](random) }
  arrive(clock, random, base, () => {
    // Long before the end only the evidence takes notice.
    if (elapsed() < -lead) replica.arrivals.arrive()
    else if (isListed()) visit(place)
  }, isOver)
  const most = field === undefined ? 0 : Math.max(...field)
  if (most > 0) arriveFrom(place, { field, most, elapsed, isListed, isOver })
  clock.at(before - lead, () => {
    const kept = drawCount(keepAlive / replicas, random)
    for (let index = 0; index < kept; index++) {
      const socket = replica.accept()
      socket.isUsed = true
      new KeptClient(place, socket).think()
    }
  })
  const feeds = drawCount(webSockets / replicas, random)
  for (let index = 0; index < feeds; index++) listen(place)
  clock.at(before, () => replica.terminate())
  await clock.run()
  lost.cut = replica.cut
  const announcing = replica.report.phases.find(({ phase }) => phase === 'announcing')
  return {
    lost, left,
    losses: lost.refused + lost.reused + lost.cut,
    took: exitedAt - before,
    phase1: announcing.duration,
    endedBy: announcing.endedBy,
    evidence: replica.report.traffic.evidence,
    rate: replica.report.traffic.rateBefore
  }
}

/** Connections of others come to this replica as long as it is listed. */
function arriveFrom (place, { field, most, elapsed, isListed, isOver }) {
  const factor = () => field[Math.floor(elapsed() / bin)] ?? 0
  place.clock.at(before, () => {
    arrive(place.clock, place.random, { perSecond: 1, pattern: { factor, most } }, () => {
      if (isListed()) visit(place)
    }, isOver)
  })
}

function behaviourOf ({ think = 2000, hangUp = Infinity, backoff = 1000, slow = 0.002, wire = 0.5 }, random) {
  // Most take 40 ms on average, some 3 s.
  const duration = () => random.next() < slow ? 3000 : random.exponential(40)
  return { think, hangUp, backoff, wire, duration }
}

/** How many of a large number fall to one replica: binomial, and so nearly Poisson, here by its normal limit. */
function drawCount (mean, random) {
  if (mean < 30) {
    let count = 0
    for (let sum = random.exponential(1); sum < mean; sum += random.exponential(1)) count++
    return count
  }
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal))
}

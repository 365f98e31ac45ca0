import t from 'tap'
import type { Test } from 'tap'

/** A module of the bench, which is plain JavaScript and has no types. */
const load = async (name: string): Promise<any> => import(new URL(`../../bench/fleet/${name}`, import.meta.url).href)

const { arrive, patterns } = await load('arrivals.js')
const { VirtualClock } = await load('clock.js')
const { endOne } = await load('ending.js')
const { fleets, sweeps } = await load('fleets.js')
const { drawLag, drawListing, lags } = await load('lags.js')
const { Random, withRandom } = await load('random.js')
const { soakOnce } = await load('soak.js')
const { mean, perMillion, quantile, wilson } = await load('statistics.js')
const { frontier } = await load('svg.js')
const { heldOf, simulate } = await load('update.js')

/** Whether a number is what is expected, give or take a share of it. */
function near (t: Test, found: number, expected: number, share: number, what: string): void {
  t.ok(Math.abs(found - expected) <= share * expected, `${what}: ${found}, expected ${expected}`)
}

t.test('events run by their time, and in the order in which they were put in', async (t) => {
  const clock = new VirtualClock()
  const ran: string[] = []
  const random = new Random(4)
  const times = Array.from({ length: 300 }, () => random.below(50))
  for (const [index, time] of times.entries()) clock.at(time, () => ran.push(`${time}/${index}`))
  const cancel = clock.after(20, () => ran.push('cancelled'))
  clock.after(10, () => { void Promise.resolve().then(() => ran.push(`settled at ${clock.now()}`)) })
  cancel()
  await clock.run()
  const expected = times.map((time, index) => ({ time, index }))
    .toSorted((a, b) => a.time - b.time || a.index - b.index)
    .map(({ time, index }) => `${time}/${index}`)
  t.same(ran.filter((entry) => entry.includes('/')), expected)
  t.ok(ran.indexOf('settled at 10') < ran.findIndex((entry) => entry.startsWith('11/')), 'promises settle between')
  t.notOk(ran.includes('cancelled'))
  t.equal(clock.now(), 49)
  t.equal(clock.waiting, 0)
})

t.test('arrivals have the mean rate that was asked for', async (t) => {
  for (const name of ['steady', 'bursty', 'diurnal']) {
    let count = 0
    const runs = name === 'diurnal' ? 300 : 20
    for (let seed = 1; seed <= runs; seed++) {
      const clock = new VirtualClock()
      const random = new Random(seed)
      const length = name === 'diurnal' ? 10_000 : 150_000
      arrive(clock, random, { perSecond: 5, pattern: patterns[name](random) }, () => { count++ }, () =>
        clock.now() > length)
      await clock.run()
    }
    near(t, count, 15_000, 0.06, name)
  }
  const clock = new VirtualClock()
  arrive(clock, new Random(1), { perSecond: 0, pattern: patterns.steady() }, () => t.fail('nobody comes'), () => false)
  await clock.run()
})

t.test('lags have the quantiles of their table', async (t) => {
  const random = new Random(7)
  for (const { title, quantiles } of Object.values(lags) as any[]) {
    const drawn = Array.from({ length: 20_000 }, () => drawLag(quantiles, random))
    for (const [share, lag] of quantiles.slice(1, -1)) near(t, quantile(drawn, share), lag, 0.1, `${title}, ${share}`)
    t.ok(Math.min(...drawn) >= quantiles[0][1] && Math.max(...drawn) <= quantiles.at(-1)[1], title)
  }
  const listing = drawListing({ removal: [2000, 2000] }, random)
  t.same([listing.last, listing.sends(1999), listing.sends(2000)], [2000, true, false])
})

t.test('statistics', async (t) => {
  // Newcombe (1998), table I: 81 of 263 is 0.2553 to 0.3662.
  const { low, high } = wilson(81, 263)
  t.same([low.toFixed(4), high.toFixed(4)], ['0.2553', '0.3662'])
  t.equal(wilson(0, 100).low, 0)
  near(t, wilson(0, 1e6).high, 3.84e-6, 0.01, 'none of a million')
  t.same(wilson(0, 0), { low: 0, high: 1 })
  const even = perMillion([1, 1, 1, 1], 1e6)
  const heaped = perMillion([4, 0, 0, 0], 1e6)
  t.equal(even.value, 4)
  t.equal(heaped.value, 4)
  t.ok(heaped.high > even.high, 'losses that come in heaps are less certain')
  t.equal(mean([]), 0)
  const held = heldOf(10_000, 1)
  near(t, held.first, Math.E - 1, 0.001, 'the first new replica')
  near(t, held.newest, Math.E / 10_000, 0.001, 'the newest')
})

t.test('a seed decides everything, and leaves Math.random as it was', async (t) => {
  const { random: own } = Math
  const fleet = { replicas: 4, keepAlive: 40, webSockets: 20, fresh: 8, front: { nodes: 3, ...lags.hundred } }
  const [first, again, other] = [await endOne(fleet, 5), await endOne(fleet, 5), await endOne(fleet, 6)]
  t.same(first, again)
  t.not(first.took, other.took)
  t.equal(Math.random, own)
  await t.rejects(withRandom(new Random(1), () => { throw new Error('on purpose') }), /on purpose/)
  t.equal(Math.random, own)
})

t.test('a fleet without an announcement loses requests, and one with the defaults none', async (t) => {
  const fleet = { replicas: 4, keepAlive: 40, webSockets: 20, fresh: 40, front: { nodes: 1, ...lags.one } }
  const usual = await simulate(fleet, { endings: 6 })
  t.equal(usual.lost, 0)
  t.ok(usual.phase1 >= 5000 && usual.observed > 0.5)
  t.ok(usual.peak < usual.wave, 'those who go do not come as one wave')
  const off = { announce: { min: 0, blind: 0, quiet: 0, max: 0, shed: 'off' } }
  const bare = await simulate({ ...fleet, options: off }, { endings: 6 })
  t.ok(bare.byKind.refused > 5, `${bare.byKind.refused} refused`)
  t.ok(bare.perMillion.low > usual.perMillion.high)
})

t.test('what the options of a sweep change is changed', async (t) => {
  const fleet = { replicas: 4, front: { removal: [9000, 9000] } }
  const took = async (fresh: number, options: object): Promise<number> =>
    (await endOne({ ...fleet, fresh, options }, 1)).phase1
  t.ok(await took(8, { evidence: 1 }) < await took(8, { evidence: 15 }))
  t.ok(await took(80, { announce: { quiet: 100 } }) < await took(80, { announce: { quiet: 4000 } }))
  t.equal(await took(80, { announce: { min: 16_000 } }), 16_000)
  const peak = async (more: object): Promise<number> =>
    (await simulate({ ...fleet, ...more }, { endings: 1 })).peakShare
  const webSockets = { webSockets: 1200, backoff: 10, fresh: 80 }
  t.ok(await peak({ ...webSockets, options: { drain: { spread: 0 } } }) > 0.95, 'all at once')
  t.ok(await peak({ ...webSockets, options: { drain: { spread: 5000 } } }) < 0.3, 'spread')
  const kept = { keepAlive: 1200, think: 200 }
  t.ok(await peak({ ...kept, options: { announce: { shed: 'immediate' } } }) > 0.6, 'with their next request')
  t.ok(await peak({ ...kept, options: { ramp: 4000 } }) < 0.5, 'on a ramp')
  for (const { usual, values } of sweeps) t.ok(values.includes(usual))
  t.equal(new Set(fleets.map(({ name }: { name: string }) => name)).size, fleets.length)
})

t.test('the soak in virtual time loses nothing', async (t) => {
  const { lost, took, requests } = await soakOnce({ rate: 60, after: 2000 }, 3)
  t.equal(lost, 0)
  t.equal(took.length, 3)
  t.ok(Math.min(...took) >= 5000 && Math.max(...took) < 12_000, String(took))
  t.ok(requests > 1000)
})

t.test('a curve is well-formed', async (t) => {
  const points = [{ x: 5, y: 0, label: '0 s', isUsual: false }, { x: 9, y: 1200, label: '<5 s', isUsual: true }]
  for (const isLog of [true, false]) {
    const svg = frontier({ title: 'a & b', x: 'x', y: 'y', isLog, lines: [{ name: 'one', points }] })
    t.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*>[\s\S]*<\/svg>\n$/)
    t.match(svg, 'a &amp; b')
    t.match(svg, '&lt;5 s')
    t.notMatch(svg, /NaN|Infinity|undefined/)
  }
})

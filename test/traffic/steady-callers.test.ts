import t from 'tap'
import { Arrivals } from '../../lib/traffic/arrivals.ts'
import { SteadyCallers } from '../../lib/traffic/steady-callers.ts'
import type { Visit } from '../../lib/traffic/steady-callers.ts'

const probe: Visit =
  { method: 'GET', route: '/health', address: '168.63.129.16', userAgent: undefined, host: '10.0.0.4' }

/** Each row: name, the visits (milliseconds between, and what differs), whether the last one is a prober's. */
const table: Array<[name: string, visits: Array<[gap: number, other?: Partial<Visit>]>, isProber: boolean]> = [
  ['one a second', Array.from({ length: 6 }, () => [1000]), true],
  ['every five seconds, with HEAD', Array.from({ length: 6 }, () => [5000, { method: 'HEAD' }]), true],
  ['every fifteen seconds', Array.from({ length: 5 }, () => [15_000]), true],
  ['with a little jitter', [[1000], [1080], [960], [1100], [1010], [950]], true],
  ['four times only', Array.from({ length: 4 }, () => [1000]), false],
  ['one that asks another route, too', [[1000], [1000], [1000, { route: '/orders' }], [1000], [1000], [1000]], false],
  ['one that sends', Array.from({ length: 6 }, () => [1000, { method: 'POST' }]), false],
  ['a client in a loop', Array.from({ length: 30 }, () => [100]), false],
  ['people', [[1000], [4000], [700], [9000], [2000], [1500]], false],
  [
    'from another address each time',
    Array.from({ length: 6 }, (_, index) => [1000, { address: `10.0.0.${index}` }]),
    false
  ],
  ['one that asked steadily once, and no longer does', [[1000], [1000], [1000], [1000], [1000], [2400]], false]
]

const nobody = (): boolean => false

// Scenario (Who is in front): A prober that nobody knows by name
t.test('a prober that nobody knows by name is told by when and what it asks', async (t) => {
  for (const [name, visits, expected] of table) {
    let now = 0
    const callers = new SteadyCallers(() => now)
    let isProber = nobody
    for (const [gap, other] of visits) {
      now += gap
      isProber = callers.visit({ ...probe, ...other })
    }
    t.equal(isProber(), expected, name)
  }
})

t.test('callers are kept while they come, whoever else does', async (t) => {
  let now = 0
  const callers = new SteadyCallers(() => now)
  let stranger = 0
  let isProber = nobody
  for (let second = 0; second < 8; second++, now += 1000) {
    isProber = callers.visit(probe)
    for (let count = 0; count < 200; count++) callers.visit({ ...probe, address: `192.0.2.${stranger++}` })
  }
  t.ok(isProber())
})

t.test('its connections are late to nobody, and count as evidence all the same', async (t) => {
  let now = 0
  const clock = (): number => now
  const told: Array<string | undefined> = []
  const arrivals = new Arrivals(clock, ({ address }) => told.push(address))
  const callers = new SteadyCallers(clock)
  arrivals.open()
  const visit = (visitor: Visit): void => arrivals.arrive(() => visitor.address, callers.visit(visitor))
  for (; now < 20_000; now += 1000) visit(probe)
  arrivals.announce()
  for (; now < 25_000; now += 1000) visit(probe)
  now -= 600
  t.match(
    arrivals.stillSending(5000, { quiet: 1000, blind: 0 }),
    /the balancer still sends/,
    'it may be a client that polls'
  )
  visit({ ...probe, address: '10.0.0.9', route: '/orders' })
  arrivals.close(1000)
  t.match(arrivals.summary(), { arrivals: 6, lateArrivals: 1, lateSources: [{ address: '10.0.0.9', count: 1 }] })
  t.same(told, ['10.0.0.9'])
  now += 600
  visit(probe)
  t.equal(arrivals.summary().lateArrivals, 1, 'also where it was accepted before and is heard of after')
})

import t from 'tap'
import { balancers } from './e2e/balancers/index.ts'
import { pageOf, readPage, readRaces, readResults } from './e2e/balancers/results.ts'

const rows = readResults()
const races = readRaces()

t.test('the page about balancers says what was measured: npm run balancers', async (t) => {
  t.ok(readPage() === pageOf(readPage(), rows, races), 'docs/guides/balancers.md is as npm run balancers writes it')
  t.throws(() => pageOf('no place', rows, races), /has no '<!-- written by npm run balancers -->' before/)
})

t.test('each set-up was measured with two and three replicas, and what is recommended loses nothing', async (t) => {
  for (const { name, setups } of balancers) {
    t.match(setups.map((setup) => setup.name), ['defaults', 'recommended'], name)
    for (const setup of setups) {
      const measured = rows.filter((row) => row.balancer === name && row.setup === setup.name)
      t.same(measured.map(({ replicas }) => replicas), [2, 3], `${name}, ${setup.name}`)
      for (const { rate, requests, lost, own, repeated, replicas } of measured) {
        t.equal(rate, 200)
        t.ok(requests > 1000, `${requests} requests`)
        if (setup.name === 'defaults') continue
        t.same({ lost: lost - own, repeated }, { lost: 0, repeated: 0 }, `${name}, ${setup.name}, ${replicas} replicas`)
        if (setup.ownLoss === undefined) t.equal(own, 0)
      }
    }
  }
})

t.test('a balancer that keeps connections for a shorter time than the service loses none of them', async (t) => {
  for (const { name, pool } of balancers) {
    const race = races.find(({ balancer }) => balancer === name)
    t.equal(race !== undefined, pool !== undefined, name)
    if (race !== undefined) t.same(race.shorter.lost, { GET: 0, POST: 0 }, name)
  }
})

import t from 'tap'
import { countByKind } from '../../lib/drill/losses.ts'
import { balancers } from './balancers/index.ts'
import { race } from './balancers/race.ts'
import { trial } from './balancers/trial.ts'

t.setTimeout(400_000)
// Most of the time is waited, not worked.
t.jobs = 4

/** Requests a second. Several updates share the machine; `npm run balancers` has 200 of each. */
const rate = 60

/** What a service says of itself, and not of the machine. */
const isComplaint = /^graceful\.(?:failure|fault|late|closed|internals)$/

for (const balancer of balancers) {
  for (const setup of balancer.setups.filter(({ name }) => name !== 'defaults')) {
    // Scenario (Who is in front): HAProxy (TCP, HTTP, agent check, `disable-on-404`), nginx, Apache, Caddy, Varnish, Traffic
    // Server and a gateway in front of a rolling update, set up as recommended
    t.test(`a rolling update behind ${balancer.name} (${setup.name}): nothing is lost, and nothing repeated`,
      async (t) => {
        const { requests, losses, repeated, longestPause, departures, replicas } = await trial(balancer, setup, { rate })
        const ours = losses.filter((loss) => !loss.isOwn)
        t.strictSame(countByKind(ours), {}, `0 of ${requests} requests lost`, {
          longestPause,
          losses: ours.slice(0, 10),
          departures
        })
        t.ok(requests > 300, `${requests} requests`)
        t.strictSame(repeated, [], 'no request came twice')
        t.equal(departures.length, 2)
        for (const { code, isKilled, report } of departures) {
          t.strictSame({ code, isKilled }, { code: 0, isKilled: false })
          t.equal(report?.verdict, 'clean')
          t.strictSame(report?.advice, [])
          t.strictSame(report?.phases.filter(({ endedBy }) => endedBy === 'cap'), [], 'no phase ran to its cap')
          t.strictSame(
            report?.traffic.frontEnds.map(({ route }) => route),
            setup.asks === undefined ? [] : [setup.asks],
            'who asks was seen, and nobody else'
          )
        }
        const warnings = replicas.flatMap(({ log }) => log.filter(({ event = '' }) => isComplaint.test(event)))
        t.strictSame(warnings, [], 'no complaint')
      })
  }
}

for (const balancer of balancers.filter(({ pool }) => pool !== undefined)) {
  // Scenario (Who is in front): A balancer's request on a connection that the service closes as idle
  t.test(`kept connections: ${balancer.name} keeps them for a shorter time than the service`,
    async (t) => {
      const { lost, came, sent } = await race(balancer, 'shorter')
      t.strictSame(lost, { GET: 0, POST: 0 }, `0 of ${sent} GET and ${sent} POST lost`)
      t.ok(came.GET + came.POST > 0, 'and is still there')
    })
}

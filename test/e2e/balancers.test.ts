import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startLoad } from '../../lib/drill/load.ts'
import { claimPort } from '../../lib/drill/ports.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { countByKind } from '../../lib/drill/tally.ts'
import { end, start } from '../principles/replicas.ts'
import type { Replica } from '../principles/replicas.ts'
import { kinds, startBalancer } from './balancers.ts'
import { prefer } from './replicas.ts'
import { pause, reads } from './users.ts'

t.setTimeout(300_000)
// Most of the time is waited, not worked.
t.jobs = 3

const right = { path: '/', status: 200, isRight: reads((text) => text === 'ok') }
/** Strict clients: nothing is ever tried twice, neither by them nor by the balancer. */
const profiles: readonly RequestProfile[] = [
  { ...right, name: 'fresh', weight: 4, keepAlive: false },
  { ...right, name: 'kept', weight: 3, burst: 3 },
  {
    ...right,
    name: 'posting',
    weight: 3,
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: Buffer.from('an order, in two halves'),
    bodyPause: pause
  }
]

/** Long enough to be checked and taken in. */
const settled = 3500

for (const kind of kinds) {
  // Scenario (Who is in front): HAProxy, Caddy, Apache and Varnish in front of a rolling update
  t.test(`a rolling update behind ${kind.name}, which checks readiness: nothing is lost without any option`,
    async (t) => {
      prefer(process.pid, -10)
      const ports = [await claimPort(), await claimPort()]
      const startOn = (port: number): Promise<Replica> => start(t, { listen: { port, host: '127.0.0.1' } })
      const replicas = await Promise.all(ports.map(startOn))
      const balancer = await startBalancer(kind, ports)
      t.teardown(balancer.stop)
      await sleep(settled)
      const load = startLoad({ port: balancer.port, rate: 60, profiles })
      const departures = []
      try {
        await sleep(settled)
        for (const [index, port] of ports.entries()) {
          departures.push(await end(replicas[index]!))
          // Its successor takes its port, as on a machine of one's own.
          replicas[index] = await startOn(port)
          await sleep(settled)
        }
      } finally {
        const { requests, losses, longestPause } = await load.stop()
        t.strictSame(countByKind(losses), {}, `0 of ${requests} requests lost`, {
          longestPause,
          losses: losses.slice(0, 10),
          departures
        })
        t.ok(requests > 300, `${requests} requests`)
      }
      for (const { code, took, report, warnings } of departures) {
        t.equal(code, 0)
        t.ok(took < 20_000, `gone after ${Math.round(took)} ms`)
        t.equal(report.verdict, 'clean')
        t.match(
          report.traffic.frontEnds,
          [{ route: 'GET /readyz', address: '127.0.0.1' }],
          `${kind.name} was seen`,
          { report }
        )
        t.equal(report.traffic.frontEnds.length, 1, 'and nobody else', { frontEnds: report.traffic.frontEnds })
        t.strictSame(report.advice, [])
        t.strictSame(warnings, [])
      }
    })
}

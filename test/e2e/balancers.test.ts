import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { end, start } from '../principles/replicas.ts'
import type { Replica } from '../principles/replicas.ts'
import { kinds, startBalancer } from './balancers.ts'
import { startLoad } from './client.ts'
import type { Manner } from './client.ts'
import { claimPort } from './kubelet/ports.ts'
import { prefer } from './replicas.ts'
import { countByKind } from './rollout.ts'

t.setTimeout(300_000)
// Most of the time is waited, not worked.
t.jobs = 3

const isRight = (body: string): boolean => body === 'ok'
const body = { type: 'text/plain', content: Buffer.from('an order, in two halves') }
/** Strict clients: nothing is ever tried twice, neither by them nor by the balancer. */
const users: readonly Manner[] = [
  { name: 'fresh', weight: 4, path: () => '/', fresh: true, isRight },
  { name: 'kept', weight: 3, path: () => '/', burst: 3, isRight },
  { name: 'posting', weight: 3, path: () => '/', method: 'POST', body, isRight }
]

/** Long enough to be checked and taken in. */
const settled = 3500

for (const kind of kinds) {
  t.test(`a rolling update behind ${kind.name}, which checks readiness: nothing is lost without any option`,
    async (t) => {
      prefer(process.pid, -10)
      const ports = [await claimPort(), await claimPort()]
      const startOn = (port: number): Promise<Replica> => start(t, { listen: { port, host: '127.0.0.1' } })
      const replicas = await Promise.all(ports.map(startOn))
      const balancer = await startBalancer(kind, ports)
      t.teardown(balancer.stop)
      await sleep(settled)
      const load = startLoad(balancer.port, 60, users)
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

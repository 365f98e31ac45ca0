import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startBalancer } from '../../lib/drill/balancer.ts'
import { startLoad } from '../../lib/drill/load.ts'
import { claimPort } from '../../lib/drill/processes.ts'
import { countByKind, Tally } from '../../lib/drill/losses.ts'
import { believe, factsOf } from './belief.ts'
import { prefer } from './replicas.ts'

t.setTimeout(600_000)
// Clients and balancer stand for a network, which does not pause because this machine is busy.
prefer(process.pid, -10)

const rate = 1000
// Scenario (The rehearsal of an update): A load without an update loses nothing, and what is planted is found
t.test('10,000 requests without an update lose nothing', async (t) => {
  const found = await believe({ requests: 10_000, rate })
  t.comment(factsOf(found))
  t.ok(found.requests >= 10_000, `${found.requests} requests`)
  t.same(found.byKind, {}, 'nothing is lost', { losses: found.losses.slice(0, 5) })
  t.equal(found.tally.lost, 0)
  t.equal(found.latency.count, found.requests)
})

// Scenario, too: A load without an update…
t.test('one request in 10,000 that the service loses is found', async (t) => {
  const found = await believe({ requests: 10_500, rate, planted: { kind: 'answered-5xx', every: 10_000 } })
  t.comment(factsOf(found))
  t.equal(found.planted, Math.floor(found.requests / 10_000))
  t.ok(found.planted >= 1)
  t.same(found.byKind, { 'answered-5xx': found.planted }, 'as many as were planted')
  t.ok(found.losses.every(({ replica, phase, sinceSignal, detail }) =>
    replica === '1 old' && phase === 'running' && sinceSignal === undefined && detail === 'status 500'))
})

// Scenario, too: A load without an update…
t.test('each kind of loss is told as what it is', async (t) => {
  t.jobs = 3
  for (const kind of ['reset-new', 'reset-reused', 'answered-5xx', 'truncated', 'timeout', 'wrong-answer'] as const) {
    t.test(`${kind}: as many as were planted, and of no other kind`, { buffered: true }, async (t) => {
      const found = await believe({
        requests: 2000, rate: 200, planted: { kind, every: 50 }, ...kind === 'timeout' ? { timeout: 10_000 } : {}
      })
      t.ok(found.planted >= 1, `${found.planted} planted`)
      t.same(found.byKind, { [kind]: found.planted }, factsOf(found), { losses: found.losses.slice(0, 3) })
      t.equal(found.tally.lost, found.planted)
    })
  }
})

// Scenario, too: A load without an update…
t.test('refused: each 100th connection, and no other', async (t) => {
  const server = createServer((_request, reply) => { reply.end('ok') }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const balancer = await startBalancer()
  t.teardown(() => {
    server.close()
    balancer.close()
  })
  const dead = await claimPort()
  for (let index = 1; index <= 100; index++) {
    balancer.add({ name: `${index}`, host: '127.0.0.1', port: index === 100 ? dead : port })
  }
  const tally = new Tally()
  const load = startLoad({
    port: balancer.port, rate: 300, timeout: 60_000, tally, trace: (localPort, at) => balancer.trace(localPort, at),
    profiles: [{ name: 'fresh', path: '/', keepAlive: false }]
  })
  while (tally.requests < 1000) await new Promise((resolve) => { setTimeout(resolve, 20) })
  const { losses, requests, connections } = await load.stop()
  t.equal(connections, requests)
  t.same(countByKind(losses), { refused: Math.floor(requests / 100) }, `of ${requests}`)
  t.ok(losses.every(({ replica }) => replica === '100'))
})

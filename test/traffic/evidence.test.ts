import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { systemClock } from '../../lib/clock.ts'
import { block, gate, open, phaseOf, serve, until } from './support.ts'
import type { Service } from './support.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** One request on a connection of its own; whether it was answered. */
async function visit (service: Service, headers: string[] = [], path = '/'): Promise<boolean> {
  try {
    const wire = await open(service.port)
    wire.post(path, ['Content-Length: 0', ...headers])
    const { status } = await wire.reply()
    wire.socket.destroy()
    return status === 200
  } catch {
    return false
  }
}

function routes (app: Service['app']): void {
  app.post('/', async () => 'ok')
  app.post('/ping', { config: { graceful: { traffic: false } } }, async () => 'pong')
}

/** Visits at a steady rate until told to stop; answers how many there were and how many were lost. */
function load (service: Service, interval: number): { stop: () => Promise<{ visits: number, lost: number }> } {
  const pending: Array<Promise<boolean>> = []
  // A test that fails stops nothing.
  const timer = setInterval(() => pending.push(visit(service)), interval).unref()
  return { async stop () {
    clearInterval(timer)
    const answers = await Promise.all(pending)
    return { visits: answers.length, lost: answers.filter((answer) => !answer).length }
  } }
}

t.test('a steady load that stops ends phase 1 by what was observed', async (t) => {
  // The minute before the announcement runs eight times as fast, so that the test need not last as long.
  const real = systemClock.now
  const base = real()
  systemClock.now = () => base + (real() - base) * 8
  t.teardown(() => { systemClock.now = real })
  const service = await serve(t, { graceful: { gracePeriod: 30_000, announce: { quiet: 300, blind: 15_000 } }, routes })
  const clients = load(service, 10)
  // On a busy machine fewer come than are meant to.
  await until(() => service.status().traffic.rate > 3, 'a known rate', 30_000)
  const offset = systemClock.now() - real()
  systemClock.now = () => real() + offset
  const end = service.shutdown()
  await sleep(1500)
  t.equal(service.app.graceful.phase, 'announcing', 'the balancer still sends')
  t.match(service.status().participants, [
    { name: 'test' },
    { name: 'traffic', reason: /the balancer still sends: last new connection \d+ ms ago/ }
  ])
  const { visits, lost } = await clients.stop()
  const watch = new Stopwatch(process.pid)
  const report = await end
  watch.stop()
  t.equal(lost, 0, `of ${visits}`)
  t.equal(phaseOf(report, 'announcing')?.endedBy, 'condition')
  t.match(report.traffic, { evidence: 'observed', lateArrivals: 0 })
  t.ok(report.traffic.rateBefore > 3 && report.traffic.arrivals > 25)
  t.ok(report.traffic.lastArrival! > 1200)
  const expected = Math.max(300, 7000 / report.traffic.rateBefore)
  inTime(t, watch, [expected - 100 - watch.late, Math.round(expected) + 1500], 'silence of')
})

t.test('a load that does not stop is cut off by the cap, and the report says so', async (t) => {
  const service = await serve(t, {
    graceful: { gracePeriod: 10_000, announce: { min: 300, max: 900, quiet: 300 } },
    routes
  })
  const clients = load(service, 10)
  await sleep(100)
  const report = await service.shutdown()
  // Some visits more.
  await sleep(200)
  const { lost } = await clients.stop()
  t.equal(phaseOf(report, 'announcing')?.endedBy, 'cap')
  t.match(report, { exitCode: 0, traffic: { evidence: 'absent' } })
  t.ok(report.traffic.lateArrivals > 5, `${report.traffic.lateArrivals} came late`)
  t.ok(lost > 0, 'and later ones were refused')
  t.match(report.advice, [
    /new connections \(127\.0\.0\.1: \d+\) arrived within 300 ms before the listener closed.*Raise the grace period/
  ])
  t.match(report.summary, /connections came late/)
})

t.test('an arrival that waits in the kernel when the listener closes is late, too', async (t) => {
  const service = await serve(t, { graceful: { announce: { min: 300, max: 300, quiet: 200 } }, routes })
  const announcing = service.hold('announcing')
  service.app.graceful.addHook('closing', () => {
    // Whoever connects now is accepted after phase 2 began.
    late = visit(service)
  })
  let late: Promise<boolean> | undefined
  const end = service.shutdown()
  const report = await end
  announcing()
  t.equal(await late, true, 'it was served')
  t.ok(report.traffic.lateArrivals >= 1, `${report.traffic.lateArrivals}`)
})

t.test('who is no traffic', async (t) => {
  const rows: Array<[string, (service: Service) => Promise<unknown>, number]> = [
    ['a kubelet', async (service) => visit(service, ['User-Agent: kube-probe/1.33']), 0],
    ['a cloud balancer', async (service) => visit(service, ['User-Agent: ELB-HealthChecker/2.0']), 0],
    ['a route of the application\'s own', async (service) => visit(service, [], '/ping'), 0],
    ['probe routes', async (service) => (await open(service.port)).send('GET /readyz').reply(), 0],
    ['admin routes', async (service) => (await open(service.port)).send('GET /-/status').reply(), 0],
    ['a silent connection', async (service) => open(service.port), 0],
    ['half a head', async (service) => (await open(service.port)).write('GET / HTTP/1.1\r\n'), 0],
    ['inject', async (service) => service.app.inject({ url: '/', method: 'POST' }), 0],
    ['anyone else', async (service) => visit(service, ['User-Agent: curl/8']), 1],
    ['someone without a name', async (service) => visit(service), 1],
    ['a 404', async (service) => visit(service, [], '/nowhere'), 1],
    ['a connection that is used twice', async (service) => {
      const wire = await open(service.port)
      await wire.send('GET /').reply()
      await wire.send('GET /').reply()
    }, 1],
    ['a prober that becomes a client', async (service) => {
      const wire = await open(service.port)
      await wire.send('GET /readyz').reply()
      await wire.send('GET /').reply()
    }, 1]
  ]
  for (const [name, act, arrivals] of rows) {
    const service = await serve(t, { graceful: { announce: { shed: 'off', quiet: 50 } }, routes })
    const announcing = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    await act(service)
    t.equal(service.status().traffic.arrivals, arrivals, name)
    announcing()
    t.equal((await end).traffic.arrivals, arrivals)
  }
})

t.test('nobody is told before the reply is out', async (t) => {
  const door = gate()
  const service = await serve(t, { graceful: { announce: { shed: 'immediate', quiet: 50 } }, routes (app) {
    app.get('/slow', async () => {
      await door.promise
      return 'slow'
    })
  } })
  const wires = await Promise.all(Array.from({ length: 80 }, async () => (await open(service.port)).send('GET /slow')))
  await until(() => service.status().requests.length === 80)
  const announcing = service.hold('announcing')
  const end = service.shutdown()
  await until(() => service.app.graceful.phase === 'announcing' && Date.now() - service.status().since > 150)
  t.equal(service.status().traffic.evidence, 'absent', 'their absence proves nothing')
  door.open()
  for (const wire of wires) t.equal((await wire.reply()).headers['connection'], 'close')
  announcing()
  t.match(await end, { verdict: 'clean', traffic: { shed: 80 } })
})

t.test('an event loop that stood still has not listened', async (t) => {
  const service = await serve(t, { graceful: { announce: { quiet: 400 } }, routes })
  const announcing = service.hold('announcing')
  const end = service.shutdown()
  await service.reached('announcing')
  t.ok(await visit(service))
  announcing()
  block(600)
  const blocked = performance.now()
  await end
  t.ok(performance.now() - blocked > 150, 'the silence began anew')
})

// Scenario (Health): Readiness that stays good for a while (terminus, without failures during a shutdown)
t.test('readiness that is delayed delays the ramp', async (t) => {
  const service = await serve(t, { graceful: { announce: { shed: 'immediate', readinessDelay: 500, quiet: 50 } } })
  const wire = await open(service.port)
  await wire.send('GET /').reply()
  const announcing = service.hold('announcing')
  const end = service.shutdown()
  await service.reached('announcing')
  t.equal((await (await open(service.port)).send('GET /readyz').reply()).status, 200)
  t.equal((await wire.send('GET /').reply()).headers['connection'], 'keep-alive')
  await until(() => Date.now() - service.status().since > 600)
  t.equal((await (await open(service.port)).send('GET /readyz').reply()).status, 503)
  t.equal((await wire.send('GET /').reply()).headers['connection'], 'close')
  announcing()
  t.match(await end, { verdict: 'clean' })
})

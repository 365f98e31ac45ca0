import t from 'tap'
import { adviceOf } from '../../lib/traffic/advice.ts'
import { Arrivals } from '../../lib/traffic/arrivals.ts'
import { pace, ramp } from '../../lib/traffic/stagger.ts'
import { proberOf } from '../../lib/traffic/probers.ts'
import { atRest } from '../../lib/traffic/listeners.ts'
import { cutBudget } from '../../lib/lifecycle/budget.ts'
import { draftReport } from '../../lib/lifecycle/report.ts'
import type { ReportDraft } from '../../lib/lifecycle/report.ts'
import { FakeClock } from '../support/clock.ts'
import { kubernetesFloors } from '../support/floors.ts'
import { noTraffic } from '../support/report.ts'

const inKubernetes = { quiet: 1000, blind: 15_000 }
const elsewhere = { quiet: 1000, blind: 0 }
/**
 * Milliseconds between two looks; the state machine's 25 would be no multiple of the gaps between
 * arrivals below.
 */
const tick = 20

/** A minute of steady traffic, then the announcement. */
class Service {
  time = 0
  announcedAt = 0
  readonly arrivals = new Arrivals(() => this.time)

  constructor () {
    this.arrivals.open()
  }

  /** Lets time pass with so many new connections per second. */
  serve (duration: number, perSecond: number): void {
    const end = this.time + duration
    const gap = perSecond > 0 ? 1000 / perSecond : Infinity
    let next = this.time + gap
    while (next <= end) {
      this.time = next
      this.arrivals.arrive()
      next += gap
    }
    this.time = end
  }

  announce (): void {
    this.announcedAt = this.time
    this.arrivals.announce()
  }

  /** Looks on every tick until phase 1 could end, and answers how long that took from here. */
  untilSilent (budget: { quiet: number, blind: number }, perSecond = 0, most = 60_000): number {
    const start = this.time
    while (this.time - start < most) {
      if (this.arrivals.stillSending(this.time - this.announcedAt, budget) === undefined) return this.time - start
      this.serve(tick, perSecond)
    }
    return most
  }
}

/** A report of late connections and a cut request. */
const lateReport = (endedBy: 'cap' | 'condition', given: Partial<ReportDraft> = {}) => draftReport({
  kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, startedAt: 0, duration: 0, announcedBefore: 0, gracePeriod: 30_000,
  hurried: undefined, failures: [],
  phases: [
    { phase: 'announcing', duration: 18_000, endedBy, stalledBy: [] },
    { phase: 'draining', duration: 700, endedBy: 'cap', stalledBy: [] }
  ],
  traffic: {
    ...noTraffic(),
    lateArrivals: 4,
    lastArrival: 17_300,
    lateSources: [{ address: '10.0.0.1', count: 3 }, { address: '10.0.0.2', count: 1 }],
    suggestedMin: 19_000
  },
  cut: {
    requests: [{ method: 'GET', route: '/', age: 9 }],
    streams: 0,
    upgraded: 0,
    connections: [],
    byOthers: [],
    waiting: []
  },
  ...given
})

t.test('silence', async (t) => {
  t.test('ends phase 1 once seven connections have failed to come', async (t) => {
    for (const [perSecond, expected] of [[100, 1000], [8, 1000], [5, 1400], [2, 3500], [1, 7000]] as const) {
      const service = new Service()
      service.serve(70_000, perSecond)
      service.announce()
      const silence = service.untilSilent(inKubernetes)
      t.ok(silence >= expected && silence < expected + 2 * tick, `${perSecond}/s: ${silence} ms, at least ${expected}`)
      t.equal(service.arrivals.summary().evidence, 'observed')
    }
  })

  t.test('is counted back from the last arrival', async (t) => {
    const service = new Service()
    service.serve(70_000, 50)
    service.announce()
    service.untilSilent(inKubernetes, 50, 6000)
    const silence = service.untilSilent(inKubernetes)
    t.ok(silence >= 1000 - 20 && silence < 1000 + 2 * tick, `${silence} ms after the last of them`)
    const { arrivals, lastArrival, rateBefore } = service.arrivals.summary()
    t.ok(arrivals >= 290 && arrivals <= 310, `${arrivals} arrivals`)
    t.ok(lastArrival !== undefined && lastArrival > 5900 && lastArrival <= 6000, `the last after ${lastArrival} ms`)
    t.equal(rateBefore, 50)
  })

  t.test('means nothing where traffic is thin: the blind time, all of it', async (t) => {
    for (const perSecond of [0.1, 0]) {
      const service = new Service()
      service.serve(70_000, perSecond)
      service.announce()
      const silence = service.untilSilent(inKubernetes)
      t.ok(silence >= 15_000 && silence < 15_000 + 2 * tick, `${perSecond}/s: ${silence} ms`)
      t.equal(service.arrivals.summary().evidence, 'absent')
    }
  })

  t.test('is not waited for where there was never any traffic, outside Kubernetes', async (t) => {
    const service = new Service()
    service.serve(70_000, 0)
    service.announce()
    t.equal(service.untilSilent(elsewhere), 0)
  })

  t.test('outside Kubernetes lasts as long as quiet says, however thin the traffic was', async (t) => {
    const service = new Service()
    service.serve(70_000, 1)
    service.announce()
    const silence = service.untilSilent(elsewhere)
    t.ok(silence >= 1000 && silence < 1000 + 2 * tick, `${silence} ms`)
  })

  t.test('an arrival in phase 1 must be followed by quiet, even when the blind time is over', async (t) => {
    const service = new Service()
    service.serve(70_000, 0)
    service.announce()
    service.serve(15_500, 0)
    service.arrivals.arrive()
    const silence = service.untilSilent(inKubernetes)
    t.ok(silence >= 1000 && silence < 1500, `${silence} ms`)
  })

  // A replica that was young when it was told has seen nothing before, and one at night next to nothing.
  t.test('lasts as long as the seven intervals before the last arrival, whatever was seen before phase 1', async (t) => {
    for (const before of [0, 0.1, 0.6]) {
      for (const [perSecond, expected] of [[100, 1000], [2, 3500], [1, 7000]] as const) {
        for (const budget of [inKubernetes, elsewhere]) {
          const service = new Service()
          service.serve(70_000, before)
          service.announce()
          service.serve(9000, perSecond)
          let isOver = false
          for (let arrival = 0; arrival < 10 * perSecond && !isOver; arrival++) {
            isOver = service.untilSilent(budget, 0, 1000 / perSecond - tick) < 1000 / perSecond - tick
            service.serve(tick, 1000 / tick)
          }
          t.notOk(isOver, `${before}/s, then ${perSecond}/s: the balancer still sends`)
          const silence = service.untilSilent(budget)
          t.ok(silence >= expected - 2 * tick, `${before}/s, then ${perSecond}/s: ${silence} ms`)
        }
      }
    }
  })

  t.test('after few arrivals in phase 1 lasts as long as quiet says', async (t) => {
    const service = new Service()
    service.announce()
    service.serve(14_000, 0.5)
    service.untilSilent(inKubernetes)
    t.equal(service.arrivals.summary().arrivals, 7)
    t.ok(service.time <= 15_000 + 2 * tick, `${service.time} ms`)
  })
})

t.test('the rate before the announcement', async (t) => {
  t.test('is that of the quietest five seconds of the last minute: a burst proves nothing', async (t) => {
    const service = new Service()
    service.serve(40_000, 0)
    service.serve(10_000, 100)
    t.equal(service.arrivals.rate(), 0)
    service.announce()
    t.ok(service.untilSilent(inKubernetes) >= 15_000)
  })

  t.test('is unknown until two whole buckets have been seen', async (t) => {
    const service = new Service()
    service.serve(9000, 100)
    t.equal(service.arrivals.rate(), 0)
    service.serve(7000, 100)
    t.equal(service.arrivals.rate(), 100)
  })

  t.test('forgets what is older than a minute, also after a long sleep', async (t) => {
    const service = new Service()
    service.serve(70_000, 10)
    t.equal(service.arrivals.rate(), 10)
    service.serve(3_600_000, 0)
    t.equal(service.arrivals.rate(), 0)
    service.serve(65_000, 20)
    t.equal(service.arrivals.rate(), 20)
  })

  t.test('is nothing before the servers are bound', async (t) => {
    const arrivals = new Arrivals(() => 100_000)
    t.equal(arrivals.rate(), 0)
    t.equal(arrivals.stillSending(0, inKubernetes), undefined)
  })
})

t.test('a process that stood still has not listened', async (t) => {
  const service = new Service()
  service.serve(70_000, 50)
  service.announce()
  service.untilSilent(inKubernetes, 50, 5000)
  service.time += 1500
  t.type(
    service.arrivals.stillSending(service.time - service.announcedAt, inKubernetes),
    'string',
    'timers come before the poll'
  )
  service.arrivals.arrive()
  const silence = service.untilSilent(inKubernetes)
  t.ok(silence >= 1000 && silence < 1000 + 2 * tick, `${silence} ms of real silence`)
})

t.test('shed connections that do not come back are evidence, too', async (t) => {
  const service = new Service()
  service.serve(70_000, 0)
  service.announce()
  service.serve(tick, 0)
  service.arrivals.stillSending(tick, inKubernetes)
  for (let index = 0; index < 70; index++) service.arrivals.shed()
  const silence = service.untilSilent(inKubernetes)
  t.ok(silence >= 900 && silence < 1100, `${silence} ms`)
  t.match(service.arrivals.summary(), { evidence: 'observed', shed: 70 })
})

t.test('late arrivals', async (t) => {
  const service = new Service()
  service.serve(70_000, 10)
  service.announce()
  service.serve(5000, 10)
  service.arrivals.close(1000)
  const { lateArrivals } = service.arrivals.summary()
  t.ok(lateArrivals >= 9 && lateArrivals <= 11, `${lateArrivals} within the last second`)
  service.time += 50
  service.arrivals.arrive()
  t.equal(service.arrivals.summary().lateArrivals, lateArrivals + 1, 'heard of only after the listener closed')

  t.test('are known by their sources, and by the time that would have been enough', async (t) => {
    const service = new Service()
    service.serve(70_000, 10)
    service.arrivals.arrive(() => { throw new Error('nobody is asked who it is while the service runs') })
    service.announce()
    t.same(service.arrivals.summary().lateSources, [])
    for (let index = 0; index < 40_000; index++) service.arrivals.arrive(() => '10.9.9.9')
    service.time += 4000
    for (let index = 0; index < 21; index++) {
      service.arrivals.arrive(() => index === 0 ? undefined : `10.0.0.${Math.ceil(Math.sqrt(index))}`)
    }
    t.match(
      service.arrivals.summary(),
      { lateArrivals: 0, suggestedMin: undefined },
      'not before the listener has closed'
    )
    service.arrivals.close(1000, 3000)
    t.match(service.arrivals.summary(), {
      lateArrivals: 21,
      lateSources: [
        { address: '10.0.0.4', count: 7 }, { address: '10.0.0.3', count: 5 }, { address: '10.0.0.5', count: 4 },
        { address: '10.0.0.2', count: 3 }, { address: 'unknown', count: 1 }
      ],
      lastArrival: 4000,
      suggestedMin: 8000
    }, 'the last arrival, the silence that has to follow, and what preStop takes off again')
  })

  t.test('lead to advice', async (t) => {
    const budget = cutBudget({ gracePeriod: 30_000, preStop: 0 }, kubernetesFloors)
    t.match(
      adviceOf(lateReport('cap'), budget)[0],
      /^4 new connections \(10\.0\.0\.1: 3, 10\.0\.0\.2: 1\) arrived within 1000 ms before the listener closed, so later ones were refused: after 18 s the balancer still sent\. Raise the grace period/
    )
    const early = { ...noTraffic(), lateArrivals: 1, lastArrival: 6500, suggestedMin: 8000 }
    t.match(adviceOf(lateReport('condition', { traffic: early }), budget)[0], /raise announce\.min to 8000 ms$/)
    t.match(
      adviceOf(lateReport('condition'), budget)[0],
      /Raise the grace period .* and announce\.min to 19000 ms/,
      'more than phase 1 may last'
    )
    t.match(
      adviceOf(lateReport('cap'), budget)[1],
      /^1 request was cut after 700 ms of draining: raise the grace period, or shorten announce.max \(18000 ms\), or find out why GET \/ takes longer than 9 ms$/
    )
  })

  t.test('advice after an impatient second signal, or a crash, does not blame the times', async (t) => {
    const budget = cutBudget({ gracePeriod: 30_000, preStop: 0 }, kubernetesFloors)
    const [late, cut] = adviceOf(lateReport('cap', { hurried: 'announcing' }), budget)
    t.match(
      late,
      /refused: a second signal capped phase 1 at 1000 ms\. Send one signal only, and SIGKILL not before the grace period \(30000 ms\) is over$/
    )
    t.match(
      cut,
      /^1 request was cut after 700 ms of draining, which a second signal capped at 1000 ms\. Send one signal only/
    )
    const hurriedLater = adviceOf(lateReport('cap', { hurried: 'draining' }), budget)
    t.match(hurriedLater[0], /Raise the grace period/, 'phase 1 was over by then')
    t.equal(hurriedLater[1], cut)
    const crash = adviceOf(lateReport('cap', { kind: 'crash' }), budget)
    t.match(crash[0], /after a crash the service does not wait for the balancer/)
    t.match(crash[1], /raise the grace period/, 'which had ended the draining')
    const phases = [{ phase: 'draining' as const, duration: 10_000, endedBy: 'cap' as const, stalledBy: [] }]
    t.match(
      adviceOf(lateReport('cap', { kind: 'crash', phases }), budget)[1],
      /10000 ms of draining, which takes 10000 ms at most after a crash: find the cause of the crash, or find out why GET/
    )
  })
})

t.test('an undone drain is forgotten', async (t) => {
  const service = new Service()
  service.serve(70_000, 10)
  service.announce()
  service.serve(1000, 10)
  service.arrivals.undo()
  t.equal(
    service.arrivals.stillSending(0, inKubernetes) === undefined,
    false,
    'arrivals of the drain are still the last known'
  )
  service.serve(60_000, 10)
  service.announce()
  t.match(service.arrivals.summary(), { arrivals: 0, shed: 0, lastArrival: undefined, rateBefore: 10 })
})

t.test('the ramp', async (t) => {
  for (const [shed, elapsed, length, share] of [
    ['gradual', 0, 5000, 0], ['gradual', 2500, 5000, 0.5], ['gradual', 9000, 5000, 1], ['gradual', -100, 5000, 0],
    ['gradual', 0, 0, 1],
    ['immediate', 0, 5000, 1], ['off', 9000, 5000, 0]
  ] as const) t.equal(ramp(shed, elapsed, length), share, `${shed}, ${elapsed} of ${length} ms`)
})

t.test('pacing', async (t) => {
  t.test('tells many within the spread, evenly, and few at the least rate', async (t) => {
    for (const [count, spread, longest] of [[20_000, 5000, 5000], [20, 5000, 100], [3, 0, 0]] as const) {
      const clock = new FakeClock()
      const start = clock.now()
      const told: number[] = []
      pace(
        clock,
        () => Array.from({ length: count }, (_, index) => index),
        spread,
        () => told.push(clock.now() - start)
      )
      await clock.advance(10_000)
      t.equal(told.length, count)
      t.ok((told.at(-1) ?? 0) <= longest + 25, `${count} over ${spread} ms: the last after ${told.at(-1)} ms`)
      const perBatch = told.filter((time) => time === told[0]).length
      t.ok(perBatch <= Math.max(5, count / 100), `${perBatch} in the first batch`)
    }
  })

  t.test('can be stopped', async (t) => {
    const clock = new FakeClock()
    let told = 0
    const stop = pace(clock, () => Array.from({ length: 1000 }), 1000, () => { told++ })
    await clock.advance(500)
    stop()
    const before = told
    await clock.advance(5000)
    t.equal(told, before)
    t.equal(clock.timers, 0)
  })
})

t.test('at rest means two turns in a row that bring nothing', async (t) => {
  const arriving = [1, 2, 2, 3, 3, 3, 4]
  let reads = 0
  const rested = await atRest(() => arriving[Math.min(reads++, arriving.length - 1)] ?? 0, () => false)
  t.equal(rested, true)
  t.equal(reads, 6, 'one empty turn is not enough')
  t.equal(await atRest(() => Math.random(), () => reads++ > 50), false, 'unless there is no time left')
})

t.test('probers are known by their User-Agent', async (t) => {
  for (const [agent, name] of [
    ['kube-probe/1.35', 'kube-probe'], ['GoogleHC/1.0', 'GoogleHC'], ['ELB-HealthChecker/2.0', 'ELB-HealthChecker'],
    ['Envoy/HC', 'Envoy'],
    ['HAProxy', 'HAProxy'], ['haproxy/3.0', 'HAProxy'], ['kube-lifecycle/1.35', 'kube-lifecycle']
  ] as const) t.equal(proberOf(agent), name, agent)
  for (const agent of [undefined, '', 'curl/8', 'Mozilla/5.0 (kube-probe/)', 'node']) {
    t.equal(proberOf(agent), undefined, String(agent))
  }
})

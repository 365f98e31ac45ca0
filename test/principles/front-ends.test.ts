import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { FrontEnd } from '../../lib/lifecycle/report.ts'
import { Balancer } from './balancer.ts'
import type { Check } from './balancer.ts'
import { prefer } from '../e2e/replicas.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { end, start } from './replicas.ts'
import type { Departure, Replica } from './replicas.ts'

t.setTimeout(400_000)
// The balancer and the client stand for a network, which does not pause because this machine is busy.
prefer(process.pid, -10)

/**
 * Probers that a service without any option, in no pod, has to notice by itself; and how long its phase 1 may take,
 * in milliseconds.
 */
interface Case {
  name: string
  checks: Check[]
  /** How long it runs before the signal. */
  warmUp?: number
  least: number
  most: number
  given?: object
  /** The program, `replica.js` by default. */
  fixture?: string
  /** How many applications tell how they ended. */
  reports?: number
  frontEnds: Array<Partial<FrontEnd>>
}

/** The port of its own on which a service answers probes, too: that of its watchdog or its supervisor. */
const otherPorts = new Map<number, number>()
const otherPort = (server: number): number => otherPorts.get(server) ?? 0

const cases: Case[] = [
  {
    name: 'one check a second, out after two failures',
    checks: [{ every: 1000, fall: 2 }],
    least: 2000,
    most: 9000,
    frontEnds: [{ prober: 'other', route: 'GET /readyz', outcome: 'told' }]
  },
  {
    name: 'out after three failures',
    checks: [{ every: 500, fall: 3 }],
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'out after the first failure, and asks no more',
    checks: [{ every: 1000, fall: 1, stops: true }],
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'stopped', answers: 1 }]
  },
  {
    name: 'HTTP/1.0 without Host and User-Agent',
    checks: [{ every: 500, fall: 3, manner: 'bare' }],
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'OPTIONS over HTTP/1.0',
    checks: [{ every: 500, fall: 2, manner: 'bare', method: 'OPTIONS' }],
    least: 1000,
    most: 9000,
    frontEnds: [{ route: 'OPTIONS /readyz' }]
  },
  {
    name: 'HEAD',
    checks: [{ every: 500, fall: 2, method: 'HEAD' }],
    least: 1000,
    most: 9000,
    frontEnds: [{ route: 'HEAD /readyz' }]
  },
  {
    name: 'one kept connection',
    checks: [{ every: 500, fall: 3, manner: 'kept' }],
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'another address each time',
    checks: [{ every: 500, fall: 3, from: (n) => `127.0.${1 + (n >> 7) % 100}.${1 + n % 127}` }],
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'a check below the route',
    checks: [{ every: 500, fall: 3, path: '/readyz/shutdown' }],
    least: 1000,
    most: 9000,
    frontEnds: [{ route: 'GET /readyz/shutdown' }]
  },
  {
    name: 'the external route, with a status of its own',
    checks: [{ every: 500, fall: 3, path: '/up' }],
    given: { options: { probes: { external: { path: '/up', status: 404 } } } },
    least: 1000,
    most: 9000,
    frontEnds: [{ route: 'GET /up' }]
  },
  {
    name: 'a route of the application that is marked',
    checks: [{ every: 500, fall: 3, path: '/health' }],
    least: 1000,
    most: 9000,
    frontEnds: [{ route: 'GET /health' }]
  },
  {
    name: 'two balancers of different intervals behind one address',
    checks: [{ every: 500, fall: 3 }, { every: 2500, fall: 3, after: 200 }],
    warmUp: 11_000,
    least: 6500,
    most: 9900,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'two balancers that are told apart',
    checks: [{ every: 500, fall: 2, headers: { 'user-agent': 'Go-http-client/1.1' } }, { every: 2500, fall: 2 }],
    warmUp: 8000,
    least: 5000,
    most: 15_000,
    frontEnds: [{}, {}]
  },
  {
    name: 'the first question a moment before the signal',
    checks: [{ every: 1000, fall: 2, after: 700 }],
    warmUp: 1200,
    least: 2000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'a young process whose balancer is late',
    checks: [{ every: 500, fall: 3, late: { question: 3, by: 2500 } }],
    warmUp: 3300,
    least: 1500,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'a young process that two balancers behind one address have asked once each',
    checks: [{ every: 4000, fall: 1, after: 200 }, { every: 4000, fall: 1, after: 800 }],
    warmUp: 3200,
    least: 3500,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: "the watchdog's port",
    checks: [{ every: 500, fall: 3, port: otherPort }],
    given: { options: { watchdog: { port: 0, host: '127.0.0.1' } } },
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  {
    name: 'HTTP/2',
    checks: [{ every: 500, fall: 3, manner: 'http2' }],
    given: { fastify: { http2: true } },
    least: 1000,
    most: 9000,
    frontEnds: [{ outcome: 'told' }]
  },
  ...(['GET', 'OPTIONS'] as const).map((method): Case => ({
    name: `the supervisor's port, ${method}`,
    checks: [{ every: 500, fall: 3, method, port: otherPort }],
    fixture: 'supervised.js',
    reports: 2,
    least: 1000,
    most: 9000,
    frontEnds: [{ route: `${method} /readyz`, outcome: 'told' }]
  })),
  {
    name: "the supervisor's port, below the route, of children that were just started",
    checks: [{ every: 1000, fall: 2, path: '/readyz/shutdown', port: otherPort }],
    warmUp: 1500,
    fixture: 'supervised.js',
    reports: 2,
    least: 2000,
    most: 9000,
    frontEnds: [{ route: 'GET /readyz/shutdown', outcome: 'told' }]
  }
]

const phaseOne = ({ report }: Departure): number =>
  report.phases.find(({ phase }) => phase === 'announcing')?.duration ?? 0

async function findOtherPort ({ lines }: Replica): Promise<number> {
  for (;; await sleep(20)) {
    for (const { event, port, address } of lines) {
      if (event === 'graceful.watchdog' && typeof port === 'number') return port
      if (event === 'graceful.supervisor.status') return Number(new URL(address as string).port)
    }
  }
}

async function tryCase (t: Test, one: Case): Promise<void> {
  const { name, checks, given = {}, fixture = 'replica.js', reports = 1, warmUp = 3500, least, most, frontEnds } = one
  const replicas = await Promise.all([start(t, given, fixture), start(t, given, fixture)])
  for (const replica of replicas) {
    if (checks.some(({ port }) => port !== undefined)) otherPorts.set(replica.port, await findOtherPort(replica))
  }
  const servers = replicas.map(({ port }) => port)
  const isHttp2 = checks[0]?.manner === 'http2'
  const balancers = checks.map((check) => new Balancer(servers, check))
  t.teardown(() => balancers.forEach((balancer) => balancer.stop()))
  // The client of the balancer speaks HTTP/1.
  const stops = isHttp2 ? [] : balancers.map((balancer) => balancer.load(20))
  await sleep(warmUp)
  const [gone] = replicas
  const watch = new Stopwatch(gone.pid)
  const departure = await end(gone)
  watch.stop()
  await sleep(1000)
  await Promise.all(stops.map((stop) => stop()))
  const { report, code, warnings } = departure
  const ended = gone.lines.filter(({ event }) => event === 'graceful.report').map(({ report: own }) => own!)
  t.equal(ended.length, reports)
  const details = { traffic: report.traffic, phases: report.phases, warnings }
  t.equal(code, 0)
  for (const balancer of balancers) t.strictSame(balancer.losses.slice(0, 5), [], `0 of ${balancer.sent} lost`, details)
  inTime(t, { time: phaseOne(departure), late: watch.late }, [least, most], 'phase 1 took', details)
  for (const { traffic, advice } of ended) {
    t.match(traffic.frontEnds, frontEnds, 'the report names it', { name })
    for (const { outcome, answers } of traffic.frontEnds) {
      if (outcome === 'told') t.ok(answers >= 3, `told by ${answers} failing answers`, details)
    }
    t.equal(traffic.frontEnds.length, frontEnds.length, 'and nobody else', details)
    t.strictSame(advice, [], 'no advice')
  }
  // That a kubelet would get no answer is so.
  t.strictSame(warnings.filter(({ event }) => !(isHttp2 && event === 'graceful.http2')), [])
}

// Scenario (Who is in front): Balancers that poll readiness, in many manners: HTTP/1.0 without headers, OPTIONS, HEAD,
// kept connections, HTTP/2, changing addresses, two behind one address, one that stops at the first failure, a young
// process whose balancer is late, the watchdog's port, the supervisor's port
t.test('a balancer that polls a readiness route is told first, without any option', async (t) => {
  t.jobs = 3
  for (const one of cases) void t.test(one.name, async (t) => tryCase(t, one))
})

/** New connections at a steady rate, and nobody who asks for readiness in earnest. */
async function visit (port: number, path = '/', headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve) => {
    request({ host: '127.0.0.1', port, path, agent: false, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    }).once('error', () => resolve(0)).end()
  })
}

/** What may be there without being a front end. */
const nobodies: Array<[name: string, around: (port: number) => () => void | Promise<void>, warmUp?: number]> = [
  [
    'ten new connections a second',
    () => () => {}
  ],
  [
    'a monitor of liveness',
    (port) => every(500, () => visit(port, '/livez'))
  ],
  [
    'a kubelet',
    (port) => every(500, () => visit(port, '/readyz', { 'user-agent': 'kube-probe/1.34' }))
  ],
  [
    'Prometheus and a Blackbox Exporter',
    (port) => every(500, () => visit(port, '/readyz', { 'user-agent': 'Blackbox Exporter/0.27.0' }))
  ],
  [
    "a person's curl, twice",
    (port) => {
      const timers = [500, 2400]
        .map((delay) => setTimeout(() => execFile('curl', ['-s', `http://127.0.0.1:${port}/readyz`], () => {}), delay))
      return () => timers.forEach((timer) => clearTimeout(timer))
    }
  ],
  [
    'a test that waits until it is ready',
    (port) => {
      void fetch(`http://127.0.0.1:${port}/readyz`).then((response) => response.text())
      return () => {}
    }
  ],
  [
    'a scrape of a route that is no probe',
    (port) => every(700, () => visit(port, '/ping'))
  ]
]

function every (interval: number, call: () => unknown): () => void {
  const timer = setInterval(() => { void call() }, interval)
  return () => clearInterval(timer)
}

// Scenario (Who is in front): Nobody in front: traffic, monitors, a kubelet, a person's curl, a test that waits
t.test('with nobody in front a stop under traffic is quick, and nobody is alarmed', async (t) => {
  t.jobs = 2
  for (const [name, around, warmUp = 3000] of nobodies) {
    void t.test(name, async (t) => {
      const replica = await start(t)
      const stopTraffic = every(100, () => visit(replica.port))
      const stop = around(replica.port)
      await sleep(warmUp)
      const watch = new Stopwatch(replica.pid)
      const departure = await end(replica)
      watch.stop()
      stopTraffic()
      await stop()
      const { report, took, code, warnings } = departure
      t.equal(code, 0)
      // A route that stays good is asked once more at the most.
      const { late } = watch
      inTime(t, { time: phaseOne(departure), late }, [0, 750], 'phase 1 took', { traffic: report.traffic })
      inTime(t, { time: took, late }, [0, 1500], 'gone after', { phases: report.phases })
      t.match(report.traffic, { lateArrivals: 0, suggestedMin: undefined })
      t.strictSame(report.advice, [])
      t.strictSame(warnings, [])
    })
  }
})

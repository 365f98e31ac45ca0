import t from 'tap'
import { buildStatus, publicStatus } from '../../lib/status/model.ts'
import type { StatusParts } from '../../lib/status/model.ts'
import { cutBudget } from '../../lib/lifecycle/budget.ts'
import { phases } from '../../lib/lifecycle/phase.ts'

const parts: StatusParts = {
  phase: 'announcing',
  since: 1_700_000_000_000,
  ready: false,
  started: true,
  deadline: 1_700_000_030_000,
  shutdown: undefined,
  inFlight: 0,
  holds: ['migrations'],
  requests: [],
  connections: { http1: 2, http2: 0 },
  participants: ['queue', 'jobs', 'jobs'],
  stalls: [],
  checks: [
    { name: 'db', kinds: ['readiness'], critical: true, state: 'passing', age: 10, duration: 1, error: undefined }
  ],
  pressure: undefined,
  budget: cutBudget({ gracePeriod: 30_000, preStop: 0 }),
  traffic: {
    rate: 3, arrivals: 1, evidence: 'absent', lastArrival: 120, lateArrivals: 0, lateSources: [], probes: [],
    frontEnds: []
  },
  work: ['mail'],
  watchdog: {
    state: 'watching',
    port: 9000,
    blockedCount: 1,
    blockedTime: 2100,
    lastBlocked: { duration: 2100, at: 1_700_000_000_000, blockedIn: 'spin (/app.js:3:5)' }
  },
  report: undefined,
  platform: 'ecs',
  versions: { package: '0.1.0', node: 'v20', fastify: '5' }
}

t.test('puts the parts together', async (t) => {
  const { stalls, ...rest } = parts
  t.equal(stalls.length, 0)
  t.strictSame(
    buildStatus(parts),
    { ...rest, number: 1, participants: ['queue', 'jobs', 'jobs'].map((name) => ({ name, reason: undefined })) }
  )
  for (const [number, phase] of phases.entries()) t.equal(buildStatus({ ...parts, phase }).number, number, phase)
})

t.test('requests: the oldest first, and nothing of them but what is named', async (t) => {
  const requests = new Set([
    {
      method: 'GET', route: '/a/:id', age: 5, kind: 'request', url: '/a/7?token=secret',
      headers: { cookie: 'secret' }, body: 'secret'
    },
    {
      method: 'POST', route: undefined, age: 900, kind: 'stream', query: { token: 'secret' }
    }
  ])
  const status = buildStatus({ ...parts, requests })
  t.strictSame(status.requests, [
    { method: 'POST', route: undefined, age: 900, kind: 'stream' },
    { method: 'GET', route: '/a/:id', age: 5, kind: 'request' }
  ])
  t.notMatch(JSON.stringify(status), 'secret')
})

t.test('participants with their reasons, and who else stalls', async (t) => {
  const stalls = [
    { name: 'jobs', reason: '3 jobs' },
    { name: 'mail', reason: 'background work is running' },
    { name: 'jobs', reason: '1 job' },
    { name: 'jobs', reason: 'hook of phase \'draining\' is running' }
  ]
  t.strictSame(buildStatus({ ...parts, stalls }).participants, [
    { name: 'queue', reason: undefined },
    { name: 'jobs', reason: '3 jobs' },
    { name: 'jobs', reason: '1 job' },
    { name: 'mail', reason: 'background work is running' },
    { name: 'jobs', reason: 'hook of phase \'draining\' is running' }
  ])
  t.equal(stalls.length, 4, 'what was given stays as it is')
})

t.test('it is a copy', async (t) => {
  const status = buildStatus(parts)
  status.holds.push('x')
  status.work.push('x')
  status.checks.pop()
  status.connections['http1'] = 0
  t.strictSame(
    [parts.holds, parts.work, parts.checks.length, parts.connections],
    [['migrations'], ['mail'], 1, { http1: 2, http2: 0 }]
  )
})

t.test('what anyone may know', async (t) => {
  t.strictSame(
    publicStatus(buildStatus(parts)),
    { phase: 'announcing', number: 1, since: 1_700_000_000_000, ready: false }
  )
})

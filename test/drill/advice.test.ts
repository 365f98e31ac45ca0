import t from 'tap'
import { adviseOn, variablesOf } from '../../lib/drill/advice.ts'
import type { Advice } from '../../lib/drill/advice.ts'
import type { CauseName } from '../../lib/drill/causes.ts'
import type { PlacedLoss, ReplicaRecord } from '../../lib/drill/index.ts'
import { variables } from '../../lib/environment.ts'
import { optionTable } from '../../lib/option-table.ts'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { begunAt, foreign, leaving, lossOf, recordOf, reportOf, runOf, staying } from '../cli/drill/records.ts'

const adviceOn = (replicas: ReplicaRecord[], losses: PlacedLoss[], given: object = {}): Advice[] =>
  adviseOn(recordOf([runOf(replicas, losses)], given))

const old = '1 old'
const refused = (since: number): PlacedLoss => lossOf('refused', old, since)
const cutRequest = { method: 'GET', route: '/orders/:id', age: 12_000 }

interface Case {
  cause: CauseName
  replicas: ReplicaRecord[]
  losses: PlacedLoss[]
  /** What is said. */
  says: RegExp[]
  settings?: Array<readonly [option: string, value: number | string]>
}

const cases: Record<string, Case> = {
  'a service without the plugin': {
    cause: 'plugin', replicas: [foreign(old)], losses: [refused(30), lossOf('answered-5xx', old, 20)],
    says: [/^Register the plugin/, /1 old.*first was lost 20 ms after SIGTERM/]
  },
  'a service without the plugin that ignores SIGTERM': {
    cause: 'plugin', losses: [lossOf('reset-reused', old, 30_001)],
    replicas: [foreign(old, { departure: { took: 30_002, code: null, signal: 'SIGKILL', isKilled: true } })],
    says: [/1 replica still ran at SIGKILL, 30 s after SIGTERM/]
  },
  'a front that is later than phase 1': {
    cause: 'late-front', replicas: [leaving(old)], losses: [refused(500), lossOf('reset-new', old, 900)],
    says: [/Keep phase 1 for 1.5 s/, /until 900 ms after SIGTERM, and the listener was closed after 402 ms/],
    settings: [['announce.min', 1500]]
  },
  'a front that is later than the plugin has seen': {
    cause: 'late-front', losses: [refused(500)],
    replicas: [leaving(old, { report: reportOf({ traffic: { lateArrivals: 2, suggestedMin: 6100 } }) })],
    says: [/6.5 s/], settings: [['announce.min', 6500]]
  },
  'a front that is later than the grace period has room for': {
    cause: 'late-front', replicas: [leaving(old, { removedAt: begunAt + 28_000 })], losses: [refused(24_000)],
    says: [/Keep phase 1 for 25.5 s/], settings: [['announce.min', 25_500], ['gracePeriod', 40_000]]
  },
  'a front that refuses before nobody sends any more': {
    cause: 'early-refusal', losses: [refused(50), refused(120)],
    replicas: [leaving(old, { removedAt: begunAt + 12_100 })],
    says: [/^Stay ready for 9.5 s of phase 1/, /refused from 50 ms after SIGTERM on.*sent until 9100 ms/],
    settings: [['announce.readinessDelay', 9500], ['announce.min', 9500]]
  },
  'a front that never hears of it': {
    cause: 'deaf-front', replicas: [leaving(old, { removedAt: undefined })], losses: [refused(1500), refused(500)],
    says: [/readiness route/, /until 1500 ms after SIGTERM, and never stopped/]
  },
  'requests that ran at the deadline': {
    cause: 'deadline', replicas: [leaving(old, { report: reportOf({ cut: { requests: [cutRequest] } }) })],
    losses: [lossOf('truncated', old, 990, { path: '/orders/7', sentAt: begunAt + 3100 })],
    says: [/grace period to 45 s, or make GET \/orders\/7 faster/, /\(GET \/orders\/:id\) for 12000 ms/],
    settings: [['gracePeriod', 45_000]]
  },
  'a process that hangs until SIGKILL': {
    cause: 'killed', losses: [lossOf('reset-reused', old, 30_010)],
    replicas: [leaving(old, {
      report: undefined, departure: { took: 30_001, code: null, signal: 'SIGKILL', isKilled: true },
      log: [{ event: 'graceful.phase', phase: 'draining' }]
    })],
    says: [/watchdog/, /in phase draining/], settings: [['watchdog.enabled', 'true']]
  },
  'a plugin that plans with more than it is given': {
    cause: 'killed', losses: [lossOf('truncated', old, 30_000)],
    replicas: [leaving(old, {
      report: undefined, departure: { took: 30_001, code: null, signal: 'SIGKILL', isKilled: true },
      log: [{ event: 'graceful.platform', gracePeriod: 60_000 }]
    })],
    says: [/it plans with 60 s/], settings: [['gracePeriod', 30_000]]
  },
  'a second signal': {
    cause: 'second-signal', replicas: [leaving(old, { report: reportOf({ hurried: 'announcing' }) })],
    losses: [refused(500)], says: [/one signal only/]
  },
  'connections that were closed while their clients sent': {
    cause: 'idle', replicas: [leaving(old)], losses: [lossOf('reset-reused', old, 900)],
    says: [/idle connections for 5 s/], settings: [['drain.idle', 5000]]
  },
  'a keepAliveTimeout that is too short': {
    cause: 'keep-alive', replicas: [staying('1 new')], losses: [lossOf('reset-reused', '1 new', undefined)],
    says: [/keepAliveTimeout/], settings: [['keepAliveTimeout', 72_000]]
  },
  'a service that ends connections itself': {
    cause: 'own-code', replicas: [leaving(old, { report: reportOf({ cut: { byOthers: [cutRequest] } }) })],
    losses: [lossOf('truncated', old, 300)], says: [/closeAllConnections/, /GET \/orders\/:id/]
  },
  'errors after SIGTERM': {
    cause: 'answered-after-signal', replicas: [leaving(old)],
    losses: [lossOf('answered-5xx', old, 100, { detail: 'status 500' })],
    says: [/onClose hooks/, /status 500 to GET \/orders/], settings: [['otherListeners', 'after']]
  },
  'errors of a replica that is not warm': {
    cause: 'warm-up', replicas: [staying('1 new')],
    losses: [lossOf('answered-5xx', '1 new', undefined, { detail: 'status 503' })], says: [/addCheck/, /status 503/]
  },
  'a replica that dies': {
    cause: 'crash', losses: [lossOf('refused', '1 new', undefined, { failedAt: begunAt + 2700 })],
    replicas: [{
      ...staying('1 new'), log: [{ msg: 'out of memory' }],
      history: [{ phase: 'running', at: begunAt + 1000 }, { phase: 'terminated', at: begunAt + 2600 }]
    }],
    says: [/what ended the replica/, /1 new ended without a signal, and said last: out of memory/]
  },
  'nobody in rotation': {
    cause: 'vacancy', replicas: [leaving(old)], losses: [lossOf('refused', undefined, undefined)],
    says: [/two replicas at least/], settings: [['maxUnavailable', '0']]
  },
  'wrong answers': {
    cause: 'expectation', replicas: [leaving(old)],
    losses: [lossOf('wrong-answer', old, undefined, { detail: 'status 404' })], says: [/--path/, /status 404 to GET \/orders/]
  },
  'a machine without sockets': {
    cause: 'machine', replicas: [leaving(old)], losses: [lossOf('not-sent', undefined, undefined, { detail: 'EMFILE' })],
    says: [/ulimit/, /EMFILE/]
  }
}

// Scenario (The rehearsal of an update): For each cause of losses that a record tells, what to change, and how many
// losses that would have saved
t.test('each cause of losses has its advice, with the losses that it would have saved', async (t) => {
  for (const [name, { cause, replicas, losses, says, settings = [] }] of Object.entries(cases)) {
    const advice = adviceOn(replicas, losses)
    t.same(advice.map((one) => [one.cause, one.saves]), [[cause, losses.length]], name)
    for (const pattern of says) t.match(`${advice[0]?.action}\n${advice[0]?.because}`, pattern, name)
    t.same(advice[0]?.settings.map(({ option, value }) => [option, value]), settings, name)
  }
})

t.test('nothing is advised without its cause in the record', async (t) => {
  t.same(adviceOn([leaving(old), foreign('2 old'), staying('1 new')], []), [])
  t.same(adviceOn([leaving(old)], [lossOf('timeout', old, 100), lossOf('dropped', old, 100)]), [], 'it does not guess')
})

t.test('most losses come first, and each loss counts once', async (t) => {
  const losses = [lossOf('answered-5xx', old, 100), refused(500), refused(600), lossOf('timeout', old, 100)]
  t.same(adviceOn([leaving(old)], losses).map(({ cause, saves }) => [cause, saves]),
    [['late-front', 2], ['answered-after-signal', 1]])
})

t.test('what is to be changed though no request was lost to it', async (t) => {
  const killed = leaving(old, {
    report: undefined, departure: { took: 30_001, code: null, signal: 'SIGKILL', isKilled: true }
  })
  t.match(adviceOn([killed], []), [{ cause: 'killed', saves: 0 }])
  const slow = staying('1 new')
  slow.history[1]!.at += 40_000
  t.match(adviceOn([slow], []), [{ cause: 'boot', saves: 0, settings: [{ chart: 'probes.startup.failureThreshold', value: '41' }] }])
  const waited = leaving(old, { report: reportOf({ advice: ['outbox still ran after 900 ms of draining'] }) })
  const also = leaving('2 old', { report: reportOf({ advice: ['outbox still ran after 950 ms of draining'] }) })
  t.match(adviceOn([waited, also], []), [{
    cause: 'report', action: 'outbox still ran after 900 ms of draining', because: /report of 1 old/
  }])
  const late = leaving(old, { report: reportOf({ advice: ['raise announce.min to 2000 ms'] }) })
  t.same(adviceOn([late], [refused(500)]).map(({ cause }) => cause), ['late-front'], 'it is said once')
})

t.test('settings have the names that plugin, environment and chart know', async (t) => {
  const values = parse(readFileSync(new URL('../../charts/graceful-service/values.schema.json', import.meta.url), 'utf8')) as object
  const inChart = (path: string): boolean => {
    let at: Record<string, unknown> = values as never
    for (const key of path.split('.')) {
      const inner = (at['properties'] as Record<string, Record<string, unknown>> | undefined)?.[key]
      if (inner === undefined) return false
      at = inner
    }
    return true
  }
  const elsewhere = ['keepAliveTimeout', 'maxUnavailable', 'startupProbe.failureThreshold']
  for (const { replicas, losses } of Object.values(cases)) {
    for (const { option, variable, chart, value } of adviceOn(replicas, losses).flatMap(({ settings }) => settings)) {
      t.ok(elsewhere.includes(option) || optionTable.some(({ name }) => name === option), option)
      const known = variables.find(({ name }) => name === variable)
      if (variable !== undefined) {
        t.equal(known?.option, option, variable)
        t.equal(known?.read(String(typeof value === 'number' ? value / 1000 : value)), value, `${variable} can be ${value}`)
      }
      if (chart !== undefined) t.ok(inChart(chart), chart)
    }
  }
})

t.test('what can be tried by variables', async (t) => {
  const { replicas, losses } = cases['a front that is later than the grace period has room for']!
  t.same(variablesOf(adviceOn(replicas, losses)),
    { GRACEFUL_ANNOUNCE_MIN_SECONDS: '25.5', TERMINATION_GRACE_PERIOD_SECONDS: '40' })
  const both = variablesOf([...adviceOn(replicas, losses), ...adviceOn(cases['requests that ran at the deadline']!.replicas,
    cases['requests that ran at the deadline']!.losses)])
  t.equal(both['TERMINATION_GRACE_PERIOD_SECONDS'], '45', 'of two times the longer one')
})

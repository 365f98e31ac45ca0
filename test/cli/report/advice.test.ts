import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import t from 'tap'
import { adviseOn } from '../../../lib/cli/report/advice.ts'
import type { Advice } from '../../../lib/cli/report/advice.ts'
import { variables } from '../../../lib/environment.ts'
import { checkBudget, cutBudget } from '../../../lib/lifecycle/budget.ts'
import { factsFor } from './sample.ts'
import type { Given } from './sample.ts'

const late = (suggestedMin: number, more: Given = {}): Given => ({
  ...more, traffic: { lateArrivals: 2, lastArrival: suggestedMin - 1500, suggestedMin, lateSources: [] }
})
const slow = (age: number): NonNullable<Given['cut']> => ({ requests: [{ method: 'GET', route: '/slow', age }] })

interface Schema { properties?: Record<string, Schema> }

/** The values by their options, in seconds. */
const valuesOf = ({ values }: Advice): Record<string, number> =>
  Object.fromEntries(values.map(({ option, value }) => [option, value / 1000]))

t.test('nothing is advised where nothing went wrong', (t) => {
  t.same(adviseOn([]), { values: [], others: [] })
  t.same(adviseOn([factsFor(), factsFor({ traffic: { lastArrival: 4000 } })]), { values: [], others: [] })
  t.end()
})

t.test('late connections: the longest announcement that any of them asks for', (t) => {
  const advice = adviseOn([factsFor(late(8000)), factsFor(late(12_000), 'shop-2'), factsFor()])
  t.same(valuesOf(advice), { 'announce.min': 12 })
  const [{ causes, isEnough, variable, chart } = {}] = advice.values
  t.same([isEnough, variable, chart], [true, 'GRACEFUL_ANNOUNCE_MIN_SECONDS', 'announce.minSeconds'])
  t.match(causes, [{ reports: 2, text: /until 10\.5 s after the announcement \(shop-2\)/ }])
  t.end()
})

t.test('late connections beyond what the grace period leaves: a longer one, that all have', (t) => {
  const advice = adviseOn([factsFor(late(25_000, { times: { announcing: 18_000 }, capped: { announcing: [] } }))])
  t.same(valuesOf(advice), { gracePeriod: 37, 'announce.min': 25 }, '25 s, and 12 s for what follows')
  t.ok(advice.values.every(({ isEnough }) => isEnough))

  const both = adviseOn([factsFor(late(12_000)), factsFor({ gracePeriod: 15_000 })])
  t.same(valuesOf(both), { gracePeriod: 30, 'announce.min': 12 }, 'another pod has a shorter one')
  t.match(both.values[0]?.causes, [{ reports: 1, text: 'announce.min of 12 s does not fit otherwise' }])
  t.end()
})

t.test('a cap that somebody has set', (t) => {
  const set = { times: { announcing: 6000 }, capped: { announcing: [] } }
  const advice = adviseOn([factsFor(late(9000, set))])
  t.same(valuesOf(advice), { 'announce.min': 9, 'announce.max': 9 })
  t.match(advice.values[1]?.causes, [{ reports: 1, text: /phase 1 was over after 6 s/ }])
  t.end()
})

t.test('who was cut gets twice the time, and nobody says that it is enough', (t) => {
  const times = { announcing: 18_000, draining: 5000 }
  const capped = { draining: ['traffic'] }
  const request = adviseOn([factsFor({ times, capped, cut: { ...slow(9000), waiting: [] } })])
  t.same(valuesOf(request), { gracePeriod: 40 }, 'draining of 5 s + 9 s, and 1 s for what the capacities round')
  t.same(request.values.map(({ isEnough }) => isEnough), [false])
  t.match(request.values[0]?.causes, [{ reports: 1, text: /GET \/slow after 9 s \(shop-1\)/ }])

  const hook = adviseOn([factsFor({ times, capped: { draining: ['outbox'] } })])
  t.match(hook.values[0]?.causes, [{ reports: 1, text: 'no longer waited for when draining: outbox' }])

  const close = adviseOn([factsFor({ times: { ...times, terminated: 5000 }, capped: { draining: ['x'], terminated: ['close'] } })])
  t.same(valuesOf(close)['close'], 10)
  t.ok(valuesOf(close)['gracePeriod']! >= 30 + 5 + 5)
  t.end()
})

t.test('options, variables and values of the chart are those that there are', async (t) => {
  const times = { announcing: 6000, draining: 5000, terminated: 5000 }
  const { values } = adviseOn([
    factsFor(late(60_000, { times, capped: { announcing: [], draining: ['x'], terminated: ['close'] } }))
  ])
  t.same(values.map(({ option }) => option), ['gracePeriod', 'announce.min', 'announce.max', 'close'])
  const schema = JSON.parse(
    await readFile(new URL('../../../charts/graceful-service/values.schema.json', import.meta.url), 'utf8')
  ) as Schema
  for (const { option, variable, chart } of values) {
    t.ok(variables.some((one) => one.option === option && one.name === variable), variable)
    const value = chart.split('.').reduce<Schema | undefined>((group, name) => group?.properties?.[name], schema)
    t.ok(value, `${chart} of the chart`)
  }
})

t.test('what no time helps with is said, and no time is advised for it', (t) => {
  const crash = { kind: 'crash', cut: slow(20_000), capped: { draining: [] } } satisfies Given
  const advice = adviseOn([
    factsFor({ ...late(9000), hurried: 'announcing', cut: slow(9000) }),
    factsFor({ ...late(9000), ...crash }),
    factsFor({ cut: { byOthers: [{ method: 'GET', route: '/', age: 3 }] } })
  ], [{ name: 'shop-9', pid: 1, how: 'unknown', phase: 'draining', reason: 'SIGTERM' }])
  t.same(advice.values, [])
  t.match(advice.others, [
    { reports: 1, text: /^a second signal/ }, { reports: 1, text: /^a crash/ },
    { reports: 1, text: /^1 request ended by other code/ }, { reports: 1, text: /^a shutdown without a report/ }
  ])
  t.end()
})

t.test('a process that was killed before its time', (t) => {
  const advice = adviseOn([factsFor()], [{
    name: 'shop-9', pid: 1, how: 'killed', phase: 'draining', reason: 'SIGTERM', elapsed: 9700, planned: 28_000
  }])
  t.same(valuesOf(advice), { gracePeriod: 28 })
  t.match(advice.values[0]?.causes, [{ reports: 1, text: /killed 9\.7 s after the signal, but 28 s were planned/ }])
  t.end()
})

t.test('whatever the reports say, the values add up, each has its cause, and is needed', (t) => {
  const time = fc.integer({ min: 0, max: 120_000 })
  const names = fc.subarray(['outbox', 'close', 'hook'])
  const given = fc.record({
    gracePeriod: fc.integer({ min: 1000, max: 300_000 }),
    kind: fc.constantFrom('shutdown', 'restart', 'crash', 'close'),
    hurried: fc.constantFrom(undefined, 'announcing', 'draining', 'terminated'),
    times: fc.record({ announcing: time, draining: time, terminated: time }),
    capped: fc.record({ announcing: fc.constant<string[]>([]), draining: names, terminated: names }, { requiredKeys: [] }),
    age: fc.option(time),
    min: fc.option(fc.integer({ min: 1, max: 100 }))
  })
  fc.assert(fc.property(fc.array(given, { maxLength: 6 }), (all) => {
    const reports = all.map(({ age, min, ...others }) => factsFor({
      ...others,
      ...age !== null && { cut: { ...slow(age), waiting: Object.values(others.capped).flat() } },
      ...min !== null && { traffic: { lateArrivals: 1, lastArrival: min * 900, suggestedMin: min * 1000 } }
    }))
    const advice = adviseOn(reports)
    const { gracePeriod, close, ...announce } = valuesOf(advice)
    for (const { value, causes, option } of advice.values) {
      t.ok(value > 0 && value % 1000 === 0 && causes.length > 0, option)
      t.ok(causes.every(({ reports: many, text }) => many > 0 && many <= reports.length && text !== ''))
    }
    for (const facts of reports) {
      if (gracePeriod !== undefined) t.ok(gracePeriod * 1000 >= facts.gracePeriod, 'nobody has less than before')
      const budget = cutBudget({
        gracePeriod: gracePeriod === undefined ? facts.gracePeriod : gracePeriod * 1000,
        preStop: 0,
        ...close !== undefined && { close: close * 1000 },
        announce: {
          ...announce['announce.min'] !== undefined && { min: announce['announce.min'] * 1000 },
          ...announce['announce.max'] !== undefined && { max: announce['announce.max'] * 1000 }
        }
      })
      if (advice.values.length > 0) t.equal(checkBudget(budget), undefined, JSON.stringify([facts, advice.values]))
    }
  }))
  t.end()
})

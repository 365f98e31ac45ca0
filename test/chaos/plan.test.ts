import t from 'tap'
import type { Test } from 'tap'
import { planOf, weights } from './plan.ts'
import type { Plan } from './plan.ts'
import { Random } from './random.ts'

const plans = Array.from({ length: 4000 }, (_, seed) => planOf(seed))

/** Asserts that what was counted is what the weights say, up to some percent of all. */
function agree (t: Test, counts: Map<string, number>, table: Readonly<Record<string, number>>, most = 3): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const sum = Object.values(table).reduce((a, b) => a + b, 0)
  for (const [name, weight] of Object.entries(table)) {
    const [is, expected] = [100 * (counts.get(name) ?? 0) / total, 100 * weight / sum]
    t.ok(is > 0 && Math.abs(is - expected) < most, `${name}: ${is.toFixed(1)} %, expected ${expected.toFixed(1)} %`)
  }
}

function counted (items: Iterable<string | number>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(String(item), (counts.get(String(item)) ?? 0) + 1)
  return counts
}

t.test('a seed is a plan', async (t) => {
  for (const seed of [0, 1, 17, 1_000_000, 2 ** 31]) t.same(planOf(seed), planOf(seed))
  const texts = new Set(plans.map(({ seed: _seed, ...plan }) => JSON.stringify(plan)))
  t.equal(texts.size, plans.length, 'no two seeds have the same plan')
})

t.test('numbers are spread evenly', async (t) => {
  const random = new Random(5)
  const counts = counted(Array.from({ length: 10_000 }, () => random.between(3, 7)))
  t.same([...counts.keys()].toSorted(), ['3', '4', '5', '6', '7'])
  agree(t, counts, { 3: 1, 4: 1, 5: 1, 6: 1, 7: 1 })
})

t.test('everything occurs as often as its weight says', async (t) => {
  agree(t, counted(plans.map(({ shape }) => shape)), weights.shape)
  const first = (shape: Plan['shape']): Map<string, number> =>
    counted(plans.filter((plan) => plan.shape === shape).map(({ steps }) => steps[0]!.moment))
  agree(t, first('service'), weights.moment.service)
  agree(t, first('tree'), weights.moment.tree)
  // What is decided by the moment, or sees to it that there is an end, is not drawn.
  const drawn = plans.filter(({ shape }) => shape === 'service').flatMap(({ steps }) => steps.slice(0, -1))
  agree(t, counted(drawn.map(({ name }) => name)), weights.signal)
  const later = plans.filter(({ shape }) => shape === 'tree').flatMap(({ steps }) => steps.slice(1, -1))
  agree(t, counted(later.map(({ target }) => target)), weights.target)
  agree(t, counted(plans.filter(({ shape }) => shape === 'service').map(({ logger }) => logger)), weights.logger)
  const services = plans.filter(({ shape }) => shape === 'service')
  agree(t, counted(services.map(({ faults }) => faults[0]?.kind ?? 'none')), weights.fault)
  const anchored = plans.flatMap(({ faults }) => faults).filter(({ kind }) => kind !== 'hang')
  agree(t, counted(anchored.map(({ on }) => on)), weights.faultAnchor, 4)
  for (const moment of ['boot', 'service', 'reload', 'shutdown']) {
    t.ok(plans.some(({ steps }) => steps.some((step) => step.moment === moment)), moment)
  }
})

t.test('every plan has an end', async (t) => {
  const counts = new Set<number>()
  for (const { seed, shape, hangUp, steps, faults, watchdog } of plans) {
    counts.add(steps.length)
    const ends = steps.some(({ name, target }) => target !== 'child'
      && (['SIGTERM', 'SIGINT', 'SIGKILL', 'SIGQUIT', 'message'].includes(name)
        || (name === 'SIGUSR2')
        || (name === 'SIGHUP' && shape === 'service' && hangUp === 'restart')))
    const isSound = ends && steps.every(({ target }) => shape === 'tree' || target === 'main')
      && (faults.every(({ kind }) => kind !== 'hang') || watchdog)
    if (!isSound) t.fail(`the plan of seed ${seed}`)
  }
  t.same(counts, new Set([1, 2, 3, 4]))
})

import t from 'tap'
import { checkBudget, cutBudget } from '../../lib/lifecycle/budget.ts'
import type { Budget, BudgetInput } from '../../lib/lifecycle/budget.ts'
import { kubernetesFloors } from '../support/floors.ts'

const cut = (input: Partial<BudgetInput> = {}, kubernetes = true): Budget =>
  cutBudget({ gracePeriod: 30_000, preStop: 0, ...input }, kubernetes ? kubernetesFloors : undefined)

/** What all phases may take together, the exit included. */
const sum = ({ preStop, announce, closing, close, reserve }: Budget): number =>
  preStop + announce.max + closing + close + reserve

t.test('defaults shrink with the grace period', async (t) => {
  for (const [name, budget, expected] of [
    ['30 s in a pod', cut(), {
      reserve: 2000, close: 5000, closing: 500,
      announce: { min: 5000, quiet: 1000, blind: 15_000, max: 18_000, readinessDelay: 0 }
    }],
    ['30 s elsewhere', cut({}, false), {
      reserve: 2000, close: 5000, closing: 500,
      announce: { min: 0, quiet: 1000, blind: 0, max: 18_000, readinessDelay: 0 }
    }],
    ['15 s of a spot node', cut({ gracePeriod: 15_000 }), {
      reserve: 1500, close: 2500, closing: 500,
      announce: { min: 5000, quiet: 1000, blind: 7250, max: 7250, readinessDelay: 0 }
    }],
    ['1 s', cut({ gracePeriod: 1000 }), {
      reserve: 100, close: 166, closing: 125,
      announce: { min: 484, quiet: 484, blind: 484, max: 484, readinessDelay: 0 }
    }],
    ['5 s left by a preStop of 10 s', cut({ gracePeriod: 15_000, preStop: 10_000 }), {
      reserve: 500, close: 833, closing: 500,
      announce: { min: 0, quiet: 1000, blind: 2417, max: 2417, readinessDelay: 0 }
    }],
    ['an hour', cut({ gracePeriod: 3_600_000 }), {
      reserve: 2000, close: 5000, closing: 500,
      announce: { min: 5000, quiet: 1000, blind: 15_000, max: 3_588_000, readinessDelay: 0 }
    }]
  ] as const) {
    t.match(budget, expected, name)
    t.equal(checkBudget(budget), undefined, name)
  }
})

t.test('defaults never contradict each other, whatever the grace period and preStop', async (t) => {
  const contradictions: string[] = []
  for (let gracePeriod = 1000; gracePeriod <= 120_000; gracePeriod += 119) {
    for (const preStop of [0, 1, 899, gracePeriod / 2, gracePeriod - 100]) {
      for (const kubernetes of [true, false]) {
        const budget = cut({ gracePeriod, preStop }, kubernetes)
        const problem = checkBudget(budget)
        const fits = sum(budget) < gracePeriod
          && Object.values(budget.announce).every((time) => Number.isFinite(time) && time >= 0)
        if (problem !== undefined || !fits) {
          contradictions.push(`${gracePeriod} - ${preStop}: ${JSON.stringify({ problem, budget })}`)
        }
      }
    }
  }
  t.same(contradictions, [])
})

t.test('preStop is off the floors, which it has served already', async (t) => {
  t.match(cut({ preStop: 3000 }).announce, { min: 2000, blind: 12_000 })
  t.match(cut({ preStop: 5000 }).announce, { min: 0, blind: 10_000 })
  t.match(cut({ preStop: 5000, announce: { min: 7000, blind: 8000 } }).announce, { min: 2000, blind: 3000 })
  t.match(cut({ preStop: 9000, announce: { min: 7000, blind: 8000 } }).announce, { min: 0, blind: 0 })
})

t.test('what is given is taken', async (t) => {
  const announce = { min: 1, quiet: 2, blind: 3, max: 4000, readinessDelay: 5 }
  const budget = cut({ reserve: 6, close: 7, announce })
  t.match(budget, { gracePeriod: 30_000, preStop: 0, reserve: 6, close: 7, announce })
  t.equal(cut({ reserve: 4000 }).announce.max, 16_000, 'and the default cap follows it')
  t.equal(cut({ close: 1000 }).announce.max, 22_000)
  t.equal(checkBudget(cut({ reserve: 0, close: 0 })), undefined)
})

t.test('contradictions are found, with the sum in words', async (t) => {
  for (const [name, input, option, expected, given] of [
    [
      'preStop takes it all', { preStop: 30_000 }, 'preStop',
      /^less than 30000 ms \(gracePeriod 30000 ms - reserve 0 ms - close 0 ms - closing 0 ms\)/,
      '30000 ms'
    ],
    [
      'preStop takes more', { preStop: 35_000 }, 'preStop',
      /^less than 30000 ms/,
      '35000 ms'
    ],
    [
      'the reserve takes it all', { reserve: 25_000 }, 'reserve',
      /^less than 24500 ms \(gracePeriod 30000 ms - preStop 0 ms - close 5000 ms - closing 500 ms\), so that requests have time/,
      '25000 ms'
    ],
    [
      'close takes it all', { close: 30_000 }, 'close',
      /^less than 27500 ms \(gracePeriod 30000 ms - preStop 0 ms - reserve 2000 ms - closing 500 ms\), so that/,
      '30000 ms'
    ],
    [
      'the largest of those given is at fault', { reserve: 10_000, close: 20_000 }, 'close',
      /^less than 19500 ms/,
      '20000 ms'
    ],
    [
      'two that leave nothing by themselves', { reserve: 30_000, close: 31_000 }, 'gracePeriod',
      /^more than 61500 ms/,
      '30000 ms'
    ],
    [
      'the cap leaves nothing', { announce: { max: 23_000 } }, 'announce.max',
      /^less than 22500 ms \(gracePeriod 30000 ms - preStop 0 ms - reserve 2000 ms - close 5000 ms - closing 500 ms\)/,
      '23000 ms'
    ],
    [
      'the cap leaves just nothing', { announce: { max: 22_500 } }, 'announce.max',
      /^less than 22500 ms/,
      '22500 ms'
    ],
    [
      'min over the default cap', { announce: { min: 20_000 } }, 'announce.min',
      /^at most announce.max = 18000 ms/,
      '20000 ms'
    ],
    [
      'min over a given cap', { announce: { min: 6000, max: 5000 } }, 'announce.min',
      /^at most announce.max = 5000 ms/,
      '6000 ms'
    ],
    [
      'blind', { announce: { blind: 6000, max: 5000 } }, 'announce.blind',
      /^at most announce.max = 5000 ms/,
      '6000 ms'
    ],
    [
      'quiet', { announce: { quiet: 6000, max: 5000 } }, 'announce.quiet',
      /^at most announce.max = 5000 ms/,
      '6000 ms'
    ],
    [
      'readinessDelay', { announce: { readinessDelay: 6000, max: 5000 } }, 'announce.readinessDelay',
      /^at most announce.max = 5000 ms/,
      '6000 ms'
    ],
    [
      'min less preStop', { preStop: 10_000, announce: { min: 25_000 } }, 'announce.min',
      /^at most announce.max = \d+ ms/,
      '25000 ms, less preStop 10000 ms'
    ]
  ] as Array<[string, Partial<BudgetInput>, string, RegExp, string]>) {
    const problem =
      checkBudget(cut(input), (['preStop', 'reserve', 'close'] as const).filter((name) => input[name] !== undefined))
    t.match(problem, { option, expected, given }, name)
    t.notMatch(problem?.expected, /\d\.\d|-\d/, `${name}: no fractions, no negative times`)
  }
  for (const input of [{}, { preStop: 10_000 }, { gracePeriod: 3000 }, { reserve: 500, close: 100 }]) {
    const { expected = '' } = checkBudget(cut({ ...input, announce: { min: 60_000 } })) ?? {}
    const [max = 0, first = 0, ...rest] = [...expected.matchAll(/(\d+) ms/g)].map(([, time]) => Number(time))
    t.equal(first - rest.reduce((total, time) => total + time, 0), max, `the sum adds up: ${expected}`)
  }
  t.match(checkBudget(cut({ preStop: 30_000 })), {
    option: 'gracePeriod',
    expected: /^more than 30000 ms \(preStop 30000 ms \+ reserve 0 ms \+ close 0 ms \+ closing 0 ms\)/
  }, 'where nobody gave anything')
  t.equal(checkBudget(cut({ announce: { max: 22_499 } })), undefined)
  t.equal(checkBudget(cut({ announce: { min: 5000, max: 5000, blind: 5000 } })), undefined)
})

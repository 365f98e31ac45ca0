import t from 'tap'
import { commandOf, wage } from './campaign.ts'
import { judge, longestPause } from './judge.ts'
import type { Problem } from './judge.ts'
import { planOf } from './plan.ts'
import type { Plan } from './plan.ts'
import { carryOut } from './run.ts'

t.jobs = 2
t.setTimeout(600_000)

/** Where a fault of the service has to be found, and nothing else is wrong. */
const plain: Plan = {
  ...planOf(1), shape: 'service', workers: 1, isEarly: false, boot: 0, logger: 'sync', gracePeriod: 10_000,
  restartExitCode: 0, hangUp: 'restart', user2: 'none', watchdog: false, rate: 60, webSockets: 0, eventStreams: 0,
  stubborn: 900, faults: [],
  steps: [
    { name: 'SIGTERM', target: 'main', place: 1, moment: 'service', after: 'serving', delay: 600, pause: 0 }
  ]
}

/** What the service is made to do, and the rule that finds it. */
const plants: Array<[plant: string, rule: Problem['rule']]> = [
  ['request', 'request'],
  ['after', 'last-line'],
  ['report', 'one-report'],
  ['line', 'line'],
  ['work', 'work'],
  ['code', 'exit-code'],
  ['late', 'in-time']
]

t.test('a fault that was planted is found', async (t) => {
  t.jobs = 2
  for (const [plant, rule] of plants) {
    void t.test(plant, async (t) => {
      let seen = await carryOut(plain, plant)
      // Clients that did not get to run are not judged.
      for (let turn = 1; turn < 5 && seen.pause > longestPause; turn++) seen = await carryOut(plain, plant)
      const problems = judge(seen)
      t.ok(problems.some((problem) => problem.rule === rule), `by the rule '${rule}'`, { problems })
    })
  }
})

// Scenario (Signals and exit): One to four signals of all kinds at random moments of boot, service, reload and end, under
// load, with crashes and blocked event loops, alone and below a supervisor, judged from outside
t.test('300 signals', async (t) => {
  const sums = await wage({ seed: 1700, signals: 300, jobs: 3 })
  const { runs, trees, signals, requests, time, processor, failed } = sums
  t.comment(`${time} s, processor time ${processor.started} s, and ${processor.own} s of who looks on`)
  for (const { seed, problems, kept } of failed) {
    // In the name, as a list of what failed has no more than names.
    const objections = problems.map(({ rule, text }) => `${rule}: ${text.slice(0, 400)}`).join(' | ')
    t.fail(`${commandOf(seed)}: ${objections}`, { problems, kept })
  }
  t.ok(signals >= 300, `${signals} signals in ${runs} runs, ${trees} of a supervisor, ${requests} requests`)
  t.ok(requests > runs, 'there was a load')
})

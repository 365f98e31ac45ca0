import t from 'tap'
import { identityOf } from '../../lib/traffic/callers.ts'
import { FrontEnds } from '../../lib/traffic/front-ends.ts'
import { FrontObserver } from '../../lib/traffic/front-observer.ts'
import { rhythmOf } from '../../lib/traffic/intervals.ts'
import { isTool, knownProbers, proberOf, roleOf } from '../../lib/traffic/probers.ts'

/** One that asks `/readyz`: how often, from when on, and what of it is unusual. Times are milliseconds. */
interface Prober {
  every: number
  from?: number
  path?: string
  method?: string
  agent?: string | undefined
  host?: string | undefined
  address?: string | ((question: number) => string | undefined) | undefined
  /** It asks on one connection. */
  keeps?: boolean
  /** It gives up after so many failing answers. */
  fall?: number
  /** It asks so many times at the most. */
  most?: number
  /** Later or earlier by so much, by turns. */
  jitter?: number
  /** It asks another process, which tells of the answers. */
  isElsewhere?: boolean
  /** Instead of one interval, in turn. */
  gaps?: number[]
  /** What it is answered in phase 1. */
  answer?: 'failing' | 'good'
  /** Interval once it was told. */
  afterFailure?: number
}

interface Outcome { length: number, outcomes: string[], names: string[], reasons: string[] }

const look = 25
/** As a person asks. */
const unsteady = [300, 4700, 2100, 8000, 900, 3300, 6100, 500, 2700, 9100, 1500, 7200, 400]
const quiet = 1000

/** Lets probers ask until `announcedAt`, then until nobody is waited for; answers how long that took. */
function announceAt (
  announcedAt: number,
  probers: Prober[],
  { failures = 3, toldAfter = 0, sharedBy = 1, most = 60_000 } = {}
): Outcome {
  let now = 0
  const frontEnds = new FrontEnds({ now: () => now, failures, sharedBy })
  frontEnds.open()
  const states = probers.map((prober) => ({ prober, next: prober.from ?? 0, asked: 0, failed: 0 }))
  let announced = false
  const ask = (at: number): void => {
    for (const state of states) {
      const { prober } = state
      if (state.next > at || state.asked >= (prober.most ?? Infinity) || state.failed >= (prober.fall ?? Infinity)) {
        continue
      }
      const { address = '10.0.0.1' } = prober
      const from = 'address' in prober && prober.address === undefined
        ? undefined
        : typeof address === 'function' ? address(state.asked) : address
      const identity = identityOf(
        prober.path ?? '/readyz',
        prober.method ?? 'GET',
        prober.agent,
        'host' in prober ? prober.host : 'service',
        from
      )
      if (prober.isElsewhere === true) identity.isElsewhere = true
      const caller = frontEnds.asked(identity, prober.keeps === true && state.asked > 0)
      const isFailing = announced && now >= announcedAt + toldAfter && prober.answer !== 'good'
      if (announced && caller !== undefined) frontEnds.answered(caller, isFailing)
      if (isFailing) state.failed++
      state.asked++
      const jitter = (prober.jitter ?? 0) * (state.asked % 2 === 0 ? 1 : -1)
      const every = prober.gaps?.[state.asked % prober.gaps.length] ?? prober.every
      state.next += (isFailing ? prober.afterFailure ?? every : every) + jitter
    }
  }
  for (; now < announcedAt; now += look) ask(now)
  frontEnds.announce(toldAfter)
  announced = true
  const reasons: string[] = []
  while (now < announcedAt + most) {
    const reason = frontEnds.waiting(quiet)
    if (now >= announcedAt + toldAfter && reason === undefined) break
    if (reason !== undefined) reasons.push(reason)
    now += look
    ask(now)
  }
  const summary = frontEnds.summary()
  const [outcomes, names] = [summary.map(({ outcome }) => outcome), summary.map(({ prober }) => prober)]
  return { length: now - announcedAt, outcomes, names, reasons }
}

/** Name, probers, and how long phase 1 may last for their sake: at least and at most. */
const cases: Array<[
  name: string,
  probers: Prober[],
  bounds: [least: number, most: number],
  outcomes: string[],
  options?: Parameters<typeof announceAt>[2] & { at?: number }
]> = [
  ['nobody asks', [], [0, 0], []],
  ['one each second', [{ every: 1000 }], [3000, 4100], ['told']],
  ['every 100 ms', [{ every: 100 }], [1200, 1500], ['told']],
  [
    'two of different intervals',
    [{ every: 1000 }, { every: 5000, address: '10.0.0.2' }], [11_000, 16_100], ['told', 'told']
  ],
  [
    'two of different intervals that cannot be told apart',
    [{ every: 1000 }, { every: 5000, from: 350 }], [15_000, 18_000], ['told']
  ],
  ['two of one interval behind one address', [{ every: 2000 }, { every: 2000, from: 500 }], [6000, 8000], ['told']],
  ['one that stops at the first failure', [{ every: 1000, fall: 1 }], [3000, 4100], ['stopped']],
  ['one that stops at the second', [{ every: 500, fall: 2 }], [2000, 3100], ['stopped']],
  ['one that is gone when the end is announced', [{ every: 1000, most: 5 }], [0, 0], []],
  ['one on a kept connection', [{ every: 1000, keeps: true }], [3000, 4100], ['told']],
  [
    'one on a kept connection of a busy machine',
    [{ every: 0, gaps: [1000, 1010, 300, 2600, 990, 1200, 1000, 450, 1900, 1000], keeps: true }], [2000, 6000], ['told']
  ],
  ['one without steadiness on a kept connection', [{ every: 0, gaps: unsteady, keeps: true }], [0, 0], []],
  ['one without a User-Agent and a Host', [{ every: 2000, agent: undefined, host: undefined }], [5000, 7100], ['told']],
  ['HEAD', [{ every: 1000, method: 'HEAD' }], [3000, 4100], ['told']],
  ['one on a Unix socket', [{ every: 1000, address: undefined }], [3000, 4100], ['told']],
  ['one that asks a check below the route', [{ every: 1000, path: '/readyz/shutdown' }], [3000, 4100], ['told']],
  [
    'one that comes from another address each time',
    [{ every: 1000, address: (n) => `10.0.${n >> 8}.${n & 255}` }], [3000, 4100], ['told']
  ],
  [
    'twelve nodes of a cloud balancer',
    Array.from({ length: 12 }, (_, n) => ({ every: 5000, from: n * 400, address: `10.1.0.${n}` })), [11_000, 16_100],
    Array.from({ length: 12 }, () => 'told')
  ],
  ['one that jitters by half', [{ every: 1000, jitter: 300 }], [3000, 4500], ['told']],
  ['one that asks faster once it fails', [{ every: 2000, afterFailure: 200 }], [1300, 3500], ['told']],
  ['one that asks slower once it fails', [{ every: 500, afterFailure: 1200 }], [3000, 4500], ['told']],
  ['one that has asked once, a second before', [{ every: 1000, most: 1, from: 59_000 }], [9000, 11_100], ['stopped']],
  ['one that has asked once and goes on', [{ every: 2000, from: 59_000 }], [5000, 7100], ['told']],
  ['one that has asked once, long ago', [{ every: 1000, most: 1, from: 20_000 }], [0, 0], []],
  ['one whose route stays good', [{ every: 2000, answer: 'good' }], [0, 2100], ['unaffected']],
  ['one every ten seconds', [{ every: 10_000, from: 1000 }], [21_000, 32_000], ['told']],
  ['one every fifteen seconds is too slow to be one', [{ every: 15_000, from: 1000 }], [0, 0], []],
  ['one each minute is a monitor', [{ every: 60_000, from: 0 }, { every: 60_000, from: 500 }], [0, 0], []],
  [
    'a monitor by its name',
    [{ every: 1000, agent: 'Prometheus/3.5.0' }, { every: 2000, agent: 'Blackbox Exporter/0.27.0' }], [0, 0], []
  ],
  ['the kubelet', [{ every: 1000, agent: 'kube-probe/1.34' }], [0, 0], []],
  ["a person's curl, twice", [{ every: 2000, most: 2, from: 57_000, agent: 'curl/8.14.1' }], [0, 0], []],
  ['a script that calls curl each second', [{ every: 1000, agent: 'curl/8.14.1' }], [3000, 4100], ['told']],
  ['a browser that is reloaded', [{ every: 0, gaps: unsteady, agent: 'Mozilla/5.0 (X11; Linux x86_64)' }], [0, 0], []],
  ['a test suite that waits until it is ready', [{ every: 25, most: 40, from: 58_000, agent: 'node' }], [0, 0], []],
  [
    'a test suite that asks quickly, last just before',
    [{ every: 25, most: 20, from: 59_500 }], [400, 600], ['stopped']
  ],
  ['readiness that fails later', [{ every: 1000 }], [6000, 8100], ['told'], { toldAfter: 4000 }],
  ['one answer is enough', [{ every: 1000 }], [1000, 2100], ['told'], { failures: 1 }],
  ['nobody is waited for', [{ every: 1000 }], [0, 0], ['pending'], { failures: 0 }],
  [
    'a part of the questions of one each second, as in a child of four',
    [{ every: 4000, jitter: 2500 }], [1000, 9000], ['told'], { sharedBy: 4 }
  ],
  [
    'all questions of one each second, as a supervisor tells its four children',
    [{ every: 1000, isElsewhere: true }], [3000, 4100], ['told'], { sharedBy: 4 }
  ],
  [
    'the same, and one that asks the children themselves',
    [{ every: 1000, isElsewhere: true }, { every: 4000, jitter: 2500 }], [3000, 9000], ['told', 'told'], { sharedBy: 4 }
  ],
  ['right after the start', [{ every: 1000, from: 100 }], [3000, 4100], ['told'], { at: 1500 }]
]

/** The same for processes that have not listened for long: few questions say little about how often somebody asks. */
const young: typeof cases = [
  [
    'nobody has asked',
    [], [0, 0], [], { at: 4000 }
  ],
  [
    'asked twice, and late with the third',
    [{ every: 0, from: 200, gaps: [500, 700, 3000, 500, 500, 500] }], [2300, 2600], ['told'], { at: 3500 }
  ],
  [
    'asked three times, and late with the fourth by more than eight of its intervals',
    [{ every: 0, from: 200, gaps: [500, 500, 500, 4700, 500, 500] }], [4000, 4200], ['told'], { at: 3800 }
  ],
  [
    'asked nine times, and late with the tenth',
    [{ every: 0, from: 0, gaps: [500, 500, 500, 500, 500, 500, 500, 500, 500, 2400, 500, 500, 500, 500, 500] }],
    [2000, 2600], ['told'], { at: 6200 }
  ],
  [
    'told once, and late with its next question',
    [{ every: 0, from: 200, gaps: [500, 500, 500, 500, 1900, 500, 500, 500] }], [3400, 3900], ['told'], { at: 2000 }
  ],
  [
    'two behind one address that have asked once each',
    [{ every: 5000, from: 500 }, { every: 5000, from: 1200 }], [6000, 6500], ['told'], { at: 5300 }
  ],
  [
    'one every ten seconds that has asked twice',
    [{ every: 10_000, from: 1000 }], [20_000, 22_000], ['told'], { at: 20_500 }
  ],
  [
    'three questions without a rhythm on one connection',
    [{ every: 0, from: 200, gaps: [600, 400, 2100, 600, 600, 600, 600], keeps: true }], [1400, 2900], ['told'],
    { at: 3000 }
  ],
  [
    'one that is gone when the end is announced',
    [{ every: 1000, most: 3 }], [8900, 9100], ['stopped'], { at: 4000 }
  ],
  [
    'one that stops at the first failure',
    [{ every: 1000, fall: 1, from: 100 }], [3000, 4100], ['stopped'], { at: 2500 }
  ],
  [
    'a test suite that asks quickly until it is ready',
    [{ every: 50, most: 4, from: 500 }], [0, 0], [], { at: 3000 }
  ],
  [
    'a test suite that has called curl three times',
    [{ every: 1000, most: 3, agent: 'curl/8.14.1' }], [0, 0], [], { at: 8000 }
  ],
  [
    'a person who has looked twice',
    [{ every: 2500, most: 2, agent: 'Mozilla/5.0 (X11; Linux x86_64)' }], [0, 0], [], { at: 4000 }
  ],
  [
    'a kubelet, late',
    [{ every: 0, from: 200, gaps: [500, 700, 3000], agent: 'kube-probe/1.34' }], [0, 0], [], { at: 3500 }
  ]
]

/** A process that did not get to run has read nothing: who asked meanwhile comes after the announcement. */
const late: typeof cases = [
  [
    'the only one, heard of at once',
    [{ every: 0, gaps: [...Array.from({ length: 56 }, () => 1000), 5025, ...Array.from({ length: 8 }, () => 1000)] }],
    [3000, 3300], ['told']
  ],
  [
    'the only one, not heard of',
    [{ every: 1000, most: 57 }], [0, 100], []
  ],
  [
    'one of two',
    [{ every: 1000 }, {
      every: 0, from: 500, address: '10.0.0.2',
      gaps: [...Array.from({ length: 27 }, () => 2000), 10_000, 2000, 2000, 2000, 2000]
    }],
    [7400, 7600], ['told', 'told']
  ],
  [
    'a person who looks again',
    [{ every: 1000 }, {
      every: 0, from: 40_000, gaps: [3000, 3000, 18_000, 900, 900, 900],
      agent: 'Mozilla/5.0 (X11)', address: '10.0.0.2'
    }],
    [3000, 4100], ['told']
  ]
]

// Scenario (Who is in front): Sixty schedules of probers, by a clock that is turned by hand: in a process that has run
// for long, in a young one, and in one that did not get to run before the announcement
t.test('how long phase 1 lasts for the front ends', async (t) => {
  for (const [
    name, probers, [least, most], outcomes, { at = 60_000, ...options } = {}
  ] of [...cases, ...young, ...late]) {
    const { length, outcomes: seen } = announceAt(at, probers, options)
    t.ok(length >= least && length <= most, `${name}: ${length} ms, ${least} to ${most} were expected`)
    t.strictSame(seen, outcomes, name)
  }
})

// Scenario (Who is in front): What is said of a front end that is waited for, of several that cannot be told apart, too
t.test('what is said of a front end that is waited for', async (t) => {
  const rows: Array<[name: string, probers: Prober[], said: RegExp[]]> = [
    ['one', [{ every: 1000 }], [
      /\(every 1000 ms\) was served 0 of 3 failing answers$/,
      /was served 2 of 3 failing answers$/,
      /^the front end was told \d+ ms ago$/
    ]],
    ['one that has asked once', [{ every: 30_000, from: 59_000 }], [/\(asked once\) was served 0 of 3 failing/]],
    ['two that cannot be told apart', [{ every: 1000 }, { every: 5000, from: 350 }], [
      /was served 2 of 3 failing answers$/,
      /GET \/readyz stands for several probers: the slowest of them \(every 5000 ms\) has its 3 failing answers/,
      / in 1\d{4} ms$/
    ]]
  ]
  for (const [name, probers, said] of rows) {
    const { reasons } = announceAt(60_000, probers)
    const shown = { reasons: [...new Set(reasons)].slice(0, 10) }
    for (const words of said) t.ok(reasons.some((reason) => words.test(reason)), `${name}: ${String(words)}`, shown)
    for (const reason of reasons) {
      const [, served, of] = /served (\d+) of (\d+)/.exec(reason) ?? []
      t.ok(served === undefined || Number(served) < Number(of), `${name}: ${reason}`)
    }
  }
})

// Scenario (Who is in front): A stranger who asks under ever new names
t.test('a stranger who asks under ever new names', async (t) => {
  let now = 0
  const frontEnds = new FrontEnds({ now: () => now, failures: 3 })
  let stranger = 0
  const flood = (): void => {
    for (let count = 0; count < 200; count++) {
      frontEnds.asked(identityOf('/readyz', 'GET', `agent ${stranger++}`, 'x', `192.0.2.${stranger % 250}`), false)
    }
  }
  const balancer = identityOf('/readyz', 'GET', undefined, 'x', '10.0.0.1')
  for (; now < 20_000; now += 1000) {
    frontEnds.asked(balancer, false)
    if (now > 3000) flood()
  }
  t.ok(
    frontEnds.summary().some(({ address, interval }) => address === '10.0.0.1' && interval === 1000),
    'does not hide the balancer that was there before'
  )
  t.ok(frontEnds.summary().length <= 20, 'and fills no report')

  for (let round = 0; round < 20; round++, now += 1000) {
    for (let name = 0; name < 80; name++) {
      frontEnds.asked(identityOf('/readyz', 'GET', `steady ${name}`, 'x', '192.0.2.7'), false)
    }
    frontEnds.asked(balancer, false)
  }
  frontEnds.announce(0)
  t.ok(frontEnds.found)
  t.ok(frontEnds.summary().some(({ address }) => address === '10.0.0.1'), 'also where the stranger comes back steadily')
})

t.test('what was answered before the announcement does not count, and an undone phase 1 is forgotten', async (t) => {
  let now = 0
  const frontEnds = new FrontEnds({ now: () => now, failures: 2 })
  const identity = identityOf('/readyz?verbose', 'GET', undefined, undefined, undefined)
  const ask = (isFailing: boolean): void => {
    now += 1000
    const caller = frontEnds.asked(identity, false)!
    frontEnds.answered(caller, isFailing)
  }
  for (let count = 0; count < 5; count++) ask(true)
  t.match(frontEnds.summary(), [
    { prober: 'other', route: 'GET /readyz', answers: 0, first: undefined, outcome: 'pending', interval: 1000 }
  ])
  frontEnds.announce(0)
  t.equal(
    frontEnds.waiting(quiet),
    'a prober at no fixed address, GET /readyz (every 1000 ms) was served 0 of 2 failing answers'
  )
  ask(true)
  t.match(frontEnds.summary(), [{ answers: 1, first: 1000, last: 1000 }])
  frontEnds.undo()
  t.match(frontEnds.summary(), [{ answers: 1, first: undefined }])
  frontEnds.announce(0)
  t.match(frontEnds.summary(), [{ answers: 0, outcome: 'pending' }], 'it starts anew')
  ask(true)
  ask(true)
  t.equal(frontEnds.waiting(quiet), 'the front end was told 0 ms ago')
  now += quiet
  t.equal(frontEnds.waiting(quiet), undefined)
})

t.test('a process that stands still does not take that for silence', async (t) => {
  let now = 0
  const frontEnds = new FrontEnds({ now: () => now, failures: 3 })
  const identity = identityOf('/readyz', 'GET', undefined, 'x', '10.0.0.1')
  for (; now < 10_000; now += 500) frontEnds.asked(identity, false)
  frontEnds.announce(0)
  t.ok(frontEnds.waiting(quiet))
  now += 8000
  t.match(frontEnds.waiting(quiet), /was served 0 of 3/, 'whoever asked meanwhile is still in the queue')
  for (let count = 0; count < 3; count++) frontEnds.answered(frontEnds.asked(identity, false)!, true)
  now += quiet
  t.equal(frontEnds.waiting(quiet), undefined)
})

t.test('answers that are heard of later', async (t) => {
  let now = 100_000
  const frontEnds = new FrontEnds({ now: () => now, failures: 3 })
  const identity = identityOf('/readyz', 'GET', 'GoogleHC/1.0', 'x', '35.191.0.1')
  frontEnds.announce(0)
  t.notOk(frontEnds.found)
  frontEnds.asked(identity, false, now - 4000, now - 1000, 4)
  t.ok(frontEnds.found, 'one that had asked before the announcement was there')
  t.match(frontEnds.summary(), [{ prober: 'GoogleHC', interval: 1000 }])
  now += 3000
  const caller = frontEnds.asked(identity, false, now - 2000, now, 3)!
  frontEnds.answered(caller, true, now - 2000, now, 3)
  now += quiet
  t.equal(frontEnds.waiting(quiet), undefined)
  t.match(frontEnds.summary(), [{ answers: 3, first: 1000, last: 3000, outcome: 'told' }])
})

/** One asks, and is answered by somebody else: the last of `answers` is repeated. */
function answeredElsewhere (answers: boolean[], interval: number): [length: number, outcome: string | undefined] {
  let now = 0
  const front = new FrontObserver(() => now, { isKnown: false, failures: 3, sharedBy: 1 })
  front.open()
  const caller = identityOf('/readyz', 'GET', undefined, 'x', '10.0.0.1')
  const answer = (isReady: boolean): void => {
    front.answeredElsewhere({ prober: 'other', probe: 'readyz', caller, ok: isReady, count: 1, first: 0, last: 0 })
  }
  for (; now <= 60_000; now += interval) answer(true)
  now -= interval
  front.announce(0)
  const announcedAt = now
  for (now += 30; front.waiting(quiet) !== undefined && now < announcedAt + 20_000; now += look) {
    const asked = (now - announcedAt - 30) / interval
    if (Number.isInteger(asked)) answer(answers[asked] ?? answers.at(-1)!)
  }
  return [now - announcedAt, front.summary().frontEnds[0]?.outcome]
}

t.test('answers of somebody else, who hears of the announcement later', async (t) => {
  const rows: Array<[
    name: string, answers: boolean[], interval: number, bounds: [least: number, most: number], outcome: string
  ]> = [
    ['it has heard at once', [false], 500, [2000, 2100], 'told'],
    ['the first answer was still good', [true, false], 500, [2500, 2600], 'told'],
    ['so were the first two', [true, true, false], 300, [2200, 2300], 'told'],
    ['the route stays good', [true], 500, [1000, 1100], 'unaffected'],
    ['the route of one that asks seldom stays good', [true], 4000, [4000, 4100], 'unaffected']
  ]
  for (const [name, answers, interval, [least, most], outcome] of rows) {
    const [length, seen] = answeredElsewhere(answers, interval)
    t.equal(seen, outcome, name)
    t.ok(length >= least && length <= most, `${name}: ${length} ms`)
  }
})

/** Questions at one interval. */
const every = (interval: number, from = 0, until = 30_000): number[] =>
  Array.from({ length: Math.floor((until - from) / interval) }, (_, index) => from + index * interval)
/** The questions of several, as the table keeps them. */
const merged = (...rows: number[][]): number[] => rows.flat().toSorted((a, b) => a - b).slice(-32)

// Scenario, too: Sixty schedules of probers…
t.test('how often somebody asks', async (t) => {
  t.equal(rhythmOf([]), undefined)
  t.equal(rhythmOf([5]), undefined)
  t.same(rhythmOf([0, 700]), { interval: 700, isSteady: true, isSeveral: false })
  t.same(rhythmOf(every(1000)), { interval: 1000, isSteady: true, isSeveral: false })
  // One prober that is late now and then, not two.
  for (const late of [[10], [10, 18], [11, 19], [3, 9, 15]]) {
    const times = Array.from({ length: 20 }, (_, index) => index * 500 + (late.includes(index) ? 280 : 0))
    t.same(
      rhythmOf(times),
      { interval: 500, isSteady: true, isSeveral: false },
      `every 500 ms, late at ${late.join(', ')}`
    )
  }
  const table: Array<[string, number[], number]> = [
    ['1 s and 5 s', merged(every(1000), every(5000, 350)), 5000],
    ['1 s and 5 s, seen for eleven seconds', merged(every(1000, 0, 11_000), every(5000, 350, 11_000)), 5000],
    ['2 s and 3 s', merged(every(2000), every(3000, 700)), 3000],
    ['two of 1 s', merged(every(1000), every(1000, 300)), 1000],
    ['1 s and 10 s', merged(every(1000), every(10_000, 600)), 10_000]
  ]
  for (const [name, times, slowest] of table) {
    const rhythm = rhythmOf(times)
    t.ok(rhythm?.isSeveral, name)
    t.ok(
      Math.abs((rhythm?.interval ?? 0) - slowest) <= slowest * 0.1,
      `${name}: the slowest asks every ${slowest} ms, ${rhythm?.interval} was found`
    )
  }
})

t.test('who is known by name', async (t) => {
  for (const { start, name, role, source } of knownProbers) {
    t.equal(proberOf(`${start}1.0`), name)
    t.equal(roleOf(`${start}1.0`), role)
    t.match(source, /^https:\/\//)
    t.notOk(isTool(`${start}1.0`), `${name} is no tool`)
  }
  for (const agent of [
    'curl/8.14.1', 'node', 'axios/1.9.0', 'Mozilla/5.0 (X11)', 'Wget/1.25',
    'got (https://github.com/sindresorhus/got)', 'undici'
  ]) {
    t.ok(isTool(agent), agent)
  }
  for (const agent of [undefined, '', 'nodejs-balancer/2', 'curly', 'Go-http-client/1.1', 'node-balancer']) {
    t.notOk(isTool(agent), String(agent))
  }
})

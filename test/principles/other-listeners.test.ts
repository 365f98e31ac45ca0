// What others do at the signal comes after the drain, or joins it.
import t from 'tap'
import type { Test } from 'tap'
import { early, fork, listening } from '../process/fork.ts'
import type { Fork, ForkOptions } from '../process/fork.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import type { Timed } from '../support/stopwatch.ts'

t.jobs = 3
t.setTimeout(600_000)

/** How a service is ended. */
interface Way extends Omit<ForkOptions, 'given'> {
  signal?: NodeJS.Signals
  /** Begins the end. Default: the signal. */
  begin?: (child: Fork, url: string) => unknown
  given?: object
}

/** What came of it. */
interface Outcome {
  code: number | null
  killed: NodeJS.Signals | null
  output: string
  /** From the report to the end of the process. */
  lingered: Timed
}

/** Ends a service while a request is under way and others come in phase 1, all of which have to be served. */
async function end (
  t: Test,
  who: string,
  { signal = 'SIGTERM', begin = (child) => child.kill(signal), given = {}, ...options }: Way = {}
): Promise<Outcome> {
  const child = fork('../../principles/fixtures/other-listeners.js', {
    given: { who, signal, works: 3, ...given },
    ...options
  })
  t.teardown(() => child.child.kill('SIGKILL'))
  const url = await listening(child)
  const held = fetch(`${url}/held`).then(async (response) => response.text(), String)
  await child.waitForLine(/held begins/)
  const watch = new Stopwatch(child.child.pid)
  void begin(child, url)
  await child.waitForLine(/^(?:0 )?announcing$/m)
  for (let count = 0; count < 3; count++) {
    t.equal(
      await fetch(`${url}/work`).then(async (response) => response.text(), String),
      'work',
      `${who}: served in phase 1`
    )
  }
  t.equal(await held, 'held', `${who}: served while draining`)
  const [code, killed, output] = await child.result
  const reportedAt = Number(/"time":(\d+).*"event":"graceful\.report"/.exec(output)?.[1])
  return { code, killed, output, lingered: { time: Date.now() - reportedAt, late: watch.stop().late } }
}

/** The lines that the listeners of others wrote. */
const heard = ({ output }: Pick<Outcome, 'output'>): string[] =>
  [...output.matchAll(/^heard (.*)$/gm)].map(([, line]) => line!)

const last = (name: string, signal = 'SIGTERM 15', pool = 'open'): string =>
  `${name} ${signal} in terminated with 0 in flight, pool ${pool}`

/** What holds of every end that goes well: its order, its code, and no line that says anything else. */
function isRight (t: Test, who: string, outcome: Outcome, listeners: string[], code = 0): void {
  const { output } = outcome
  t.same(heard(outcome), listeners, `${who}: each once, in their order, after the last request`)
  t.same([outcome.code, outcome.killed], [code, null], `${who}: ${output}`)
  t.equal(output.match(/"event":"graceful\.report"/g)?.length, 1, `${who}: one report`)
  if (code === 0) {
    t.match(output, '"verdict":"clean"', who)
    t.notMatch(output, /"level":[456]0/, `${who}: no warning`)
  }
  t.notMatch(output, /warning:|capped at 1 s|in the midst/, who)
  t.match(output, /draining[^]*held ends/)
}

// Scenario (Signals and exit): Listeners of others on the same signals (OpenTelemetry, pools, signal-exit, exit-hook,
// async-exit-hook, death, node-cleanup, node-graceful, close-with-grace): each hears of it once, after the last request
t.test('listeners of others hear of the signal when the last request is answered', async (t) => {
  const cases: Record<string, string[]> = {
    flush: [last('flush')],
    once: [last('once')],
    prepended: [last('prepended')],
    pool: [last('pool')],
    order: ['0', '1', '2', '3'].map((name) => last(name)),
    twice: [last('twice')],
    all: [last('all')],
    afterListen: [last('afterListen')],
    onceAfterListen: [last('onceAfterListen')],
    prependedAfterListen: [last('first'), last('second')],
    prependedOnce: [last('first'), last('second')],
    added: [last('added')],
    off: [],
    offOriginal: [],
    removeAll: [],
    sameTick: [last('sameTick')],
    serverClose: [last('serverClose')],
    appClose: [last('appClose')],
    closeAll: [last('closeAll')],
    raises: [last('raises')],
    raisesLater: [last('raisesLater')],
    emits: [last('emits')],
    reRaisesOther: [last('first'), last('other', 'SIGINT 2')],
    signalExit3: [last('beside it')],
    signalExit4: [last('beside it')],
    signalExitAlone3: [],
    signalExitAlone4: [],
    exitHook: [last('exit-hook', '')],
    death: [last('death', 'SIGTERM')],
    nodeCleanup: [last('node-cleanup', 'SIGTERM')],
    closeWithGrace: [last('close-with-grace', 'SIGTERM')]
  }
  for (const [who, listeners] of Object.entries(cases)) {
    t.test(who, async (t) => {
      const outcome = await end(t, who)
      isRight(t, who, outcome, listeners)
      inTime(t, outcome.lingered, [0, 2500], 'gone after the report:')
    })
  }
})

// Scenario (Signals and exit): One of the others who listen to a signal exits, fails, never settles, or raises it again
t.test('one that ends the process does so with the code of the end, and after the report', async (t) => {
  const isOver = /onClose[^]*"phase":"terminated","duration":\d+,"endedBy":"condition"/
  const cases: Array<[who: string, listeners: string[], undone: RegExp]> = [
    ['exits', [last('exits')], /"endedBy":"exit","stalledBy":\[\{"name":"close"/],
    ['exitsLater', [last('exitsLater')], /"endedBy":"exit".*before these were over: listener of SIGTERM/],
    ['appCloseAndExit', [last('appCloseAndExit')], isOver],
    ['serverCloseAndExit', [last('serverCloseAndExit')], isOver],
    ['awaitedCloseAndExit', [last('awaitedCloseAndExit')], isOver],
    ['flushesAndExits', [last('flushesAndExits')], /onClose[^]*"endedBy":"condition"[^]*^flushed$/m],
    ['asyncExitHook', [last('async-exit-hook', '')], /"verdict":"clean"/],
    ['nodeGraceful', [last('node-graceful', 'SIGTERM')], /"verdict":"clean"/]
  ]
  for (const [who, listeners, undone] of cases) {
    t.test(who, async (t) => {
      const outcome = await end(t, who)
      isRight(t, who, outcome, listeners)
      t.match(outcome.output, undone)
    })
  }
})

// Scenario, too: One of the others who listen to a signal…
t.test('one that starts work of which it does not tell has time for it', async (t) => {
  for (const who of ['startsWork', 'startsChain', 'startsChild', 'awaits', 'awaitsAndExits', 'iterates']) {
    t.test(who, async (t) => {
      const isHeld = who.startsWith('starts')
      const outcome = await end(t, who, { given: isHeld ? { handle: true } : {} })
      isRight(t, who, outcome, [last(who)])
      t.match(outcome.output, /"event":"graceful\.report"[^]*^flushed$/m)
      inTime(t, outcome.lingered, [0, 2500], 'gone when that is over, after the report:')
    })
  }
})

// Scenario, too: One of the others who listen to a signal…
t.test('one that starts work without an end delays the exit by five seconds', async (t) => {
  const outcome = await end(t, 'startsForever')
  isRight(t, 'startsForever', outcome, [last('startsForever')])
  inTime(t, outcome.lingered, [4900, 7000], 'gone after the report:')
})

// Scenario, too: One of the others who listen to a signal…
t.test('one that fails stops nobody, and is named', async (t) => {
  for (const who of ['throws', 'rejects']) {
    const outcome = await end(t, who)
    isRight(t, who, outcome, [last(who), last('next')], 1)
    t.match(outcome.output, /"failures":\[\{"name":"listener of SIGTERM [^]*"message":"not so"/)
    t.notMatch(outcome.output, /uncaughtException|unhandledRejection/)
    t.match(outcome.output, /heard next[^]*onClose/, 'and the application is closed')
  }
})

// Scenario, too: One of the others who listen to a signal…
t.test('one that never settles is waited for until the time begins that is kept for the close', async (t) => {
  const outcome = await end(t, 'hangs', { given: { options: { gracePeriod: 6000, announce: {} } } })
  isRight(t, 'hangs', outcome, [last('hangs')], 1)
  t.match(outcome.output, /heard hangs[^]*terminated[^]*onClose[^]*no longer waited for: listener of SIGTERM/)
})

// Scenario, too: Listeners of others on the same signals…
t.test('every signal that ends the service', async (t) => {
  const cases: Array<[signal: NodeJS.Signals, number: number, options: object, code: number]> = [
    ['SIGINT', 2, {}, 0],
    ['SIGHUP', 1, { restartExitCode: 7 }, 7],
    ['SIGUSR2', 12, { signals: { SIGUSR2: 'shutdown' } }, 0],
    ['SIGQUIT', 3, { signals: { SIGQUIT: 'restart' }, restartExitCode: 3 }, 3]
  ]
  for (const [signal, number, options, code] of cases) {
    for (const who of ['once', 'prependedAfterListen', 'raises']) {
      const outcome = await end(t, who, { signal, given: { options: { announce: { max: 10_000 }, ...options } } })
      const names = who === 'prependedAfterListen' ? ['first', 'second'] : [who]
      t.same(heard(outcome), names.map((name) => last(name, `${signal} ${number}`)), `${who} ${signal}`)
      t.same([outcome.code, outcome.killed], [code, null], outcome.output)
      t.notMatch(outcome.output, /"level":[456]0|capped at 1 s/)
    }
  }
})

t.test('signals that do not end the service reach others at once', async (t) => {
  for (const action of ['ignore', false] as const) {
    const child = fork('../../principles/fixtures/other-listeners.js', {
      given: { who: 'flush', signal: 'SIGHUP', options: { signals: { SIGHUP: action } } }
    })
    await listening(child)
    child.kill('SIGHUP')
    await child.waitForLine(/^heard flush SIGHUP 1 in running/m)
    child.kill('SIGTERM')
    t.match(await child.result, [0, null])
  }
})

t.test("with otherListeners: 'beside' they are called at once", async (t) => {
  for (const [given, env] of [
    [{ options: { otherListeners: 'beside' } }, {}],
    [{}, { GRACEFUL_OTHER_LISTENERS: 'beside' }]
  ] as const) {
    const outcome = await end(t, 'flush', { given, env })
    t.match(heard(outcome), [/^flush SIGTERM 15 in announcing with 1 in flight/])
    t.match(outcome.output, /"level":40.*somebody else listens for the signals.*a process\.exit there cuts it short/)
    t.same([outcome.code, outcome.killed], [0, null], outcome.output)
  }
})

t.test('one line at boot says who listens, and what will happen to it', async (t) => {
  for (const who of ['flush', 'signalExit4', 'all']) {
    const child = fork('../../principles/fixtures/other-listeners.js', { given: { who } })
    t.teardown(() => child.kill('SIGKILL'))
    await listening(child)
    await child.waitForLine(/Server listening/)
    t.equal(child.output().match(/"level":30.*somebody else listens for the signals that shut this service down \(SIGTERM: .*they are called when the last request has been answered/g)?.length, 1)
  }
})

// Scenario, too: Listeners of others on the same signals…
t.test('two applications: once, when both have answered their last request', async (t) => {
  for (const [who, names] of [
    ['flush', ['flush']],
    ['once', ['once']],
    ['exits', ['exits']],
    ['raises', ['raises']],
    ['pool', ['pool']]
  ] as const) {
    const child = fork('../../principles/fixtures/other-listeners.js', { given: { who, apps: 2 } })
    const ports: string[] = []
    for (const name of ['0', '1']) {
      ports.push((await child.waitForLine(new RegExp(`^${name} listening (\\d+)$`, 'm')))[1]!)
    }
    const answers = ports.map(
      (port) => fetch(`http://127.0.0.1:${port}/held`).then(async (response) => response.text(), String)
    )
    await child.waitForLine(/1 held begins/)
    await child.waitForLine(/0 held begins/)
    child.kill('SIGTERM')
    t.same(await Promise.all(answers), ['held', 'held'], who)
    const [code, killed, output] = await child.result
    t.same(
      heard({ output }),
      names.map((name) => `${name} SIGTERM 15 in terminated terminated with 0 in flight, pool open`),
      who
    )
    t.same([code, killed], [0, null], output)
    t.notMatch(output, /"level":[456]0|capped at 1 s|in the midst/, who)
    t.equal(output.match(/"event":"graceful\.report"/g)?.length, 2, who)
  }
})

// Scenario, too: Listeners of others on the same signals…
t.test('an order over IPC stands for its signal', async (t) => {
  const orders: Array<[order: unknown, signal: string]> = [
    ['shutdown', 'SIGTERM 15'],
    [{ type: 'shutdown' }, 'SIGTERM 15'],
    [{ type: 'shutdown', signal: 'SIGINT', count: 1 }, 'SIGINT 2']
  ]
  for (const [order, signal] of orders) {
    const outcome = await end(t, 'all', { ipc: true, begin: (child) => child.child.send(order as string) })
    isRight(t, JSON.stringify(order), outcome, [last('all', signal)])
  }
})

t.test('no signal came: nobody hears of one', async (t) => {
  for (const by of ['shutdown', 'close']) {
    const child = fork('../../principles/fixtures/other-listeners.js', { given: { who: 'flush', by } })
    const url = await listening(child)
    await fetch(`${url}/end`)
    await child.waitForLine(/graceful\.report/)
    // After a plain close the process stays, for the listener of others; a signal then is theirs again.
    if (by === 'close') child.kill('SIGKILL')
    const [, , output] = await child.result
    t.notMatch(output, /^heard/m, by)
  }
})

// Scenario, too: One of the others who listen to a signal…
t.test('a second signal in phase 4 is one, where it comes from outside', async (t) => {
  const child = fork('../../principles/fixtures/other-listeners.js', {
    given: { who: 'hangs', options: { gracePeriod: 20_000 } }
  })
  await listening(child)
  child.kill('SIGTERM')
  await child.waitForLine(/^heard hangs/m)
  child.kill('SIGINT')
  await child.waitForLine(/SIGINT while shutting down: every phase is capped at 1 s/)
  const [code, , output] = await child.result
  t.equal(code, 1, output)
})

// Scenario, too: One of the others who listen to a signal…
t.test('a signal that is raised for the whole process group by one of them is no second one', async (t) => {
  const outcome = await end(t, 'raisesToGroup', { under: ['setsid'], given: { leader: true } })
  isRight(t, 'raisesToGroup', outcome, [last('raisesToGroup')])
})

t.test('what is asked of the process is answered as without us', async (t) => {
  const child = fork('../../principles/fixtures/other-listeners.js', { given: { who: 'truth' } })
  t.teardown(() => child.kill('SIGKILL'))
  await listening(child)
  const [, line] = await child.waitForLine(/^listed (.*)$/m)
  t.equal(line, 'true true 2 2 1 1')

  const many = await end(t, 'many')
  t.same(heard(many), [last('many')])
  t.equal(many.output.match(/warning: Possible EventEmitter memory leak/g)?.length, 1, 'as Node does for a dozen')
})

// Scenario, too: Listeners of others on the same signals…
t.test('a signal that came while booting', async (t) => {
  const child = fork('../../principles/fixtures/other-listeners.js', {
    node: early,
    given: { who: 'afterBoot', boot: true }
  })
  const [code, killed, output] = await child.result
  t.same([code, killed], [0, null], output)
  t.match(
    heard({ output }),
    [/^early SIGTERM 15 in {2}with/, /^late SIGTERM 15 in terminated/],
    'those who heard of it at once hear of it once'
  )
  t.notMatch(output, /"level":[456]0|in the midst/)
})

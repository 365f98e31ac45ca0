import t from 'tap'
import { noTraffic } from '../support/report.ts'
import { judge, rules } from './judge.ts'
import type { Problem } from './judge.ts'
import type { Lost, Observation } from './observation.ts'
import { planOf } from './plan.ts'
import type { Plan, SignalName } from './plan.ts'

const pid = 100

const cut = { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [] }
const report = {
  kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, verdict: 'clean', traffic: noTraffic(), cut, failures: [],
  phases: [{ phase: 'draining', endedBy: 'condition', duration: 300 }]
}

const base: Plan = {
  ...planOf(1), shape: 'service', workers: 1, isEarly: false, boot: 0, logger: 'sync', gracePeriod: 10_000,
  restartExitCode: 75, hangUp: 'restart', user2: 'none', watchdog: false, stubborn: 0, faults: [], steps: []
}

const log = (fields: object, of = pid): string => JSON.stringify({ level: 30, pid: of, ...fields })
const mark = (text: string, of = pid): string => `mark ${of} ${text}`
const lost = (changes: Partial<Lost> = {}): Lost => ({
  kind: 'reset-reused', detail: 'socket hang up', localPort: 4000, isReused: true, profile: 'slow', at: 1100, ...changes
})

const sent = (...signals: Array<[name: SignalName, at: number]>): Observation['sent'] =>
  signals.map(([name, at]) => ({ name, at, target: 'main', pid, pause: 0 }))

const output = (changes: object = {}, of = pid): string[] => [
  mark('started', of),
  mark('registered', of),
  mark('listening 80', of),
  mark('accepted 4000', of),
  log({ n: 0, begun: true }, of),
  log({ n: 1, done: 0 }, of),
  log({ event: 'graceful.report', report: { ...report, ...changes } }, of),
  mark('counted 2', of)
]
const timed = (lines: string[]): Observation['lines'] => lines.map((text, index) => ({ text, at: 500 + index }))

/** A service in order: one SIGTERM, and gone. */
const sound: Observation = {
  plan: base,
  pid,
  sent: sent(['SIGTERM', 1000]),
  lines: timed(output()),
  file: [],
  end: { code: 0, signal: null, at: 1500 },
  isGivenUp: false,
  late: 0,
  pause: 0,
  requests: 10,
  losses: [],
  answered: [{ pid, n: 0 }],
  left: []
}

const without = (pattern: RegExp): Observation['lines'] => sound.lines.filter(({ text }) => !pattern.test(text))
const hurried = (exitCode: number, changes: object = {}): Observation['lines'] =>
  timed(output({ exitCode, hurried: 'draining', verdict: exitCode === 0 ? 'clean' : 'cut', ...changes }))
const capped = [{ phase: 'draining', endedBy: 'cap', duration: 7000 }]
const named = { ...cut, requests: [{ method: 'GET', route: '/slow', age: 900 }] }

/** What is seen, by what it is, and the rules that object to it. */
const services: Array<[what: string, seen: Partial<Observation>, ...expected: Array<Problem['rule']>]> = [
  ['an end in order', {}],
  ['SIGHUP is a restart', {
    sent: sent(['SIGHUP', 1000]), end: { code: 75, signal: null, at: 1500 }, lines: timed(output({ exitCode: 75 }))
  }],
  ['SIGHUP with the code of a shutdown', { sent: sent(['SIGHUP', 1000]) }, 'exit-code'],
  ['a code that nothing explains', {
    end: { code: 1, signal: null, at: 1500 }, lines: timed(output({ exitCode: 1, verdict: 'cut' }))
  }, 'exit-code'],
  ['a death by a signal that was handled', { end: { code: null, signal: 'SIGTERM', at: 1010 } }, 'exit-code'],
  ['a death by a signal that nobody has sent', { end: { code: null, signal: 'SIGSEGV', at: 1010 } }, 'exit-code'],
  ['a signal before the plugin was there', {
    sent: sent(['SIGTERM', 400]), lines: timed([mark('started')]), end: { code: null, signal: 'SIGTERM', at: 410 },
    answered: []
  }],
  ['two signals before it runs, in any order', {
    sent: sent(['SIGINT', 300], ['SIGTERM', 303]), lines: [], answered: [],
    end: { code: null, signal: 'SIGTERM', at: 310 }
  }],
  ['a signal that nobody took up', { end: { code: null, signal: 'SIGKILL', at: 40_000 }, isGivenUp: true }, 'in-time'],
  ['too late', { end: { code: 0, signal: null, at: 6000 } }, 'in-time'],
  ['as late on a machine that is', { end: { code: 0, signal: null, at: 6000 }, late: 2000 }],
  ['a process that is left', { left: [101] }, 'in-time'],
  ['a request of an accepted connection', { losses: [lost()] }, 'request'],
  ['a request that nobody had accepted', { losses: [lost({ localPort: 4001 }), lost({ kind: 'refused' })] }],
  ['a request of a client that did not get to run', { losses: [lost()], pause: 1600 }],
  ['a WebSocket that was dropped', { losses: [lost({ kind: 'dropped', profile: 'websocket /socket' })] }, 'request'],
  ['an answer of status 500', { losses: [lost({ kind: 'answered-5xx' })] }, 'request'],
  ['a line in the midst', { lines: without(/"n":0/) }, 'line'],
  ['the last line', { lines: without(/"n":1/) }, 'line', 'work'],
  ['a line of an answer, before a death', {
    sent: sent(['SIGKILL', 1000]), end: { code: null, signal: 'SIGKILL', at: 1001 }, answered: [{ pid, n: 2 }],
    lines: without(/report|counted/)
  }, 'line'],
  ['a line that is there twice', { lines: [...sound.lines, { at: 600, text: log({ n: 1 }) }] }, 'line', 'last-line'],
  ['no report', { lines: without(/report/) }, 'one-report'],
  ['two reports', { lines: [...sound.lines, sound.lines[6]!] }, 'one-report'],
  ['a line after the report', { lines: [...sound.lines, { at: 700, text: log({ msg: 'oops' }) }] }, 'last-line'],
  ['a third signal after the report', {
    sent: sent(['SIGTERM', 1000], ['SIGINT', 1100], ['SIGINT', 2200]), end: { code: 130, signal: null, at: 2300 },
    lines: [...hurried(0), { at: 2250, text: log({ msg: 'SIGINT for the third time: exiting at once with code 130' }) }]
  }],
  ['a stack after the report', { lines: [...sound.lines, { at: 700, text: 'Error: oops' }] }, 'last-line'],
  ['a notice of the inspector after it', { lines: [...sound.lines, { at: 700, text: 'Debugger ending on ws:' }] }],
  ['another code than the report', { lines: timed(output({ exitCode: 1, verdict: 'cut' })) }, 'report'],
  ['a hurry that nobody has asked for', { lines: timed(output({ hurried: 'draining' })) }, 'report'],
  ['work that nobody has waited for', {
    lines: [...without(/"n":1|counted/), { at: 600, text: mark('counted 1') }]
  }, 'work'],
  ['a fault of the plugin', { lines: [{ at: 1, text: log({ event: 'graceful.fault' }) }, ...sound.lines] }, 'fault'],
  ['a duplicate', { sent: sent(['SIGTERM', 1000], ['SIGTERM', 1400]) }],
  ['a duplicate that hurries', { sent: sent(['SIGTERM', 1000], ['SIGTERM', 1400]), lines: hurried(0) }, 'report'],
  ['a second signal, and what it has cut', {
    sent: sent(['SIGTERM', 1000], ['SIGINT', 1100]), end: { code: 1, signal: null, at: 2500 },
    losses: [lost()], lines: hurried(1, { cut: named })
  }],
  ['the last word of a handler that was cut', {
    sent: sent(['SIGTERM', 1000], ['SIGINT', 1100]), end: { code: 1, signal: null, at: 2500 },
    losses: [lost()], lines: timed([
      ...output({ exitCode: 1, hurried: 'draining', verdict: 'cut', cut: named }).slice(0, -1), log({ n: 2 }),
      mark('counted 3')
    ])
  }],
  ['a second signal, and more than was named', {
    sent: sent(['SIGTERM', 1000], ['SIGINT', 1100]), end: { code: 1, signal: null, at: 2500 },
    losses: [lost(), lost()], lines: hurried(1, { cut: named })
  }, 'request'],
  ['a second signal that takes too long', {
    plan: { ...base, stubborn: 9000 }, sent: sent(['SIGTERM', 1000], ['SIGINT', 1100]), lines: hurried(0),
    end: { code: 0, signal: null, at: 7000 }
  }, 'in-time'],
  ['a request that a machine without time has cut', {
    lines: timed(output({ exitCode: 1, verdict: 'cut', cut: named, phases: capped })), losses: [lost()],
    end: { code: 1, signal: null, at: 9000 }, late: 7000
  }],
  ['a request that the cap has cut on a machine with time', {
    lines: timed(output({ exitCode: 1, verdict: 'cut', cut: named, phases: capped })), losses: [lost()],
    end: { code: 1, signal: null, at: 3000 }
  }, 'exit-code', 'request'],
  ['a third signal', {
    sent: sent(['SIGTERM', 1000], ['SIGINT', 1100], ['SIGHUP', 1200]), end: { code: 129, signal: null, at: 1300 },
    lines: without(/report/), losses: [lost()]
  }],
  ['a third signal with the code of the second', {
    sent: sent(['SIGTERM', 1000], ['SIGINT', 1100], ['SIGHUP', 1200]), end: { code: 130, signal: null, at: 1300 },
    lines: without(/report/)
  }, 'exit-code'],
  ['a third signal that changes nothing', {
    plan: { ...base, stubborn: 2000 }, sent: sent(['SIGTERM', 1000], ['SIGINT', 1100], ['SIGHUP', 1200]),
    end: { code: 0, signal: null, at: 3500 }, lines: hurried(0)
  }, 'exit-code', 'report'],
  ['two signals that find a process which did not run, the second one handled first', {
    sent: sent(['SIGHUP', 1000], ['SIGTERM', 1011]), late: 500, end: { code: 1, signal: null, at: 2500 },
    lines: hurried(1)
  }],
  ['the same where it did run', {
    sent: sent(['SIGHUP', 1000], ['SIGTERM', 1011]), end: { code: 1, signal: null, at: 2500 }, lines: hurried(1)
  }, 'exit-code', 'report'],
  ['a crash', {
    lines: timed(output({ exitCode: 1, kind: 'crash', verdict: 'failed' }).toSpliced(6, 0, mark('exception 0'))),
    end: { code: 1, signal: null, at: 1500 }
  }],
  ['a crash while the logs are flushed', {
    lines: timed([
      ...output().slice(0, -1), mark('exception 0'), log({ msg: 'uncaughtException: on purpose' }), mark('counted 2')
    ]),
    end: { code: 1, signal: null, at: 1500 }
  }],
  ['a crash with the code of an end in order', {
    lines: timed(output().toSpliced(6, 0, mark('exception 0')))
  }, 'exit-code'],
  ['a loop without an end', {
    plan: { ...base, gracePeriod: 3000 }, lines: [...without(/report/), { at: 900, text: mark('hang 0') }],
    end: { code: 1, signal: null, at: 3900 }, losses: [lost()]
  }],
  ['a loop that the watchdog does not end in time', {
    plan: { ...base, gracePeriod: 3000 }, lines: [...without(/report/), { at: 900, text: mark('hang 0') }],
    end: { code: 1, signal: null, at: 4400 }
  }, 'in-time'],
  ['SIGWINCH ends nobody', { sent: sent(['SIGWINCH', 900], ['SIGTERM', 1000]) }],
  ['an end that nobody has asked for', { sent: sent(['SIGWINCH', 1000]) }, 'exit-code']
]

t.test('a service alone', async (t) => {
  for (const [what, changes, ...expected] of services) {
    const problems = judge({ ...sound, ...changes })
    t.same([...new Set(problems.map(({ rule }) => rule))].toSorted(), expected.toSorted(), what, { problems })
  }
})

const supervisor = 99
const exitLine = (code: number | null, signal: string | null = null): string =>
  log({ event: 'graceful.supervisor.exit', childPid: pid, exitCode: code, signal }, supervisor)
const treeLines = (child: string[] = output(), exit: string = exitLine(0)): Observation['lines'] => timed([
  log({ event: 'graceful.supervisor.start' }, supervisor),
  log({ event: 'graceful.supervisor.spawn', childPid: pid }, supervisor),
  ...child.slice(0, -2),
  log({ event: 'graceful.supervisor.shutdown' }, supervisor),
  ...child.slice(-2),
  exit
])
const tree: Observation = {
  ...sound,
  plan: { ...base, shape: 'tree' },
  pid: supervisor,
  lines: treeLines(),
  sent: [{ name: 'SIGTERM', at: 1000, target: 'main', pid: supervisor, pause: 0 }]
}
const thrice: Observation['sent'] = (['SIGTERM', 'SIGINT', 'SIGTERM'] as const)
  .map((name, index) => ({ name, at: 1000 + index * 1050, target: 'main', pid: supervisor, pause: 0 }))
const toChild = (...names: SignalName[]): Observation['sent'] => [
  ...names.map((name, index) => ({ name, at: 800 + index, target: 'child' as const, pid, pause: 0 })), ...tree.sent
]

const trees: Array<[what: string, seen: Partial<Observation>, ...expected: Array<Problem['rule']>]> = [
  ['an end in order', {}],
  ['a request', { losses: [lost()] }, 'request'],
  ['a child that has failed, and nobody says so', {
    lines: treeLines(output({ exitCode: 1, verdict: 'cut' }), exitLine(1))
  }, 'exit-code'],
  ['a child that dies of nothing', { lines: treeLines(output(), exitLine(null, 'SIGKILL')) }, 'exit-code'],
  ['a child that was killed takes what it had', {
    sent: toChild('SIGKILL'), losses: [lost()], answered: [],
    lines: treeLines(output().slice(0, 4), exitLine(null, 'SIGKILL')), end: { code: 137, signal: null, at: 1500 }
  }],
  ['a child that was asked loses nothing', { sent: toChild('SIGTERM'), losses: [lost()] }, 'request'],
  ['a child without a report', { lines: treeLines(output().toSpliced(6, 1)) }, 'one-report'],
  ['a child that has lost a line', { lines: treeLines(output().toSpliced(4, 1)) }, 'line'],
  ['a line of a child after its report', { lines: treeLines([...output(), log({ msg: 'oops' })]) }, 'last-line'],
  ['a child that nobody has told of', { lines: tree.lines.slice(0, -1) }, 'exit-code'],
  ['a child that is left', { left: [pid] }, 'in-time'],
  ['a reload that ends it', {
    sent: [{ name: 'SIGHUP', at: 900, target: 'main', pid: supervisor, pause: 0 }]
  }, 'exit-code'],
  ['a supervisor that was killed', {
    sent: [{ name: 'SIGKILL', at: 900, target: 'main', pid: supervisor, pause: 0 }],
    lines: treeLines().slice(0, 7), end: { code: null, signal: 'SIGKILL', at: 905 }
  }],
  ['a third signal', {
    sent: thrice,
    lines: treeLines(output().slice(0, 5)).slice(0, -1), end: { code: 143, signal: null, at: 3200 }
  }],
  ['a third signal that comes to nothing', {
    sent: thrice,
    lines: treeLines(output({ hurried: 'draining' })), end: { code: 0, signal: null, at: 5000 }
  }, 'exit-code', 'report']
]

t.test('a tree', async (t) => {
  for (const [what, changes, ...expected] of trees) {
    const problems = judge({ ...tree, ...changes })
    t.same([...new Set(problems.map(({ rule }) => rule))].toSorted(), expected.toSorted(), what, { problems })
  }
})

t.test('each rule has objected to something', async (t) => {
  const broken = new Set([...services, ...trees].flatMap(([, , ...expected]) => expected))
  t.same([...broken].toSorted(), Object.keys(rules).toSorted())
})

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { Given } from '../../../lib/cli/drill/option.ts'
import { Outputs, readOutput } from '../../../lib/cli/drill/output/outputs.ts'
import { jsonOf } from '../../../lib/cli/drill/output/conclude.ts'
import type { OutputPlan } from '../../../lib/cli/drill/output/outputs.ts'
import type { DrillReport } from '../../../lib/cli/drill/output/result.ts'
import { tableOf, wrapped } from '../../../lib/cli/drill/output/table.ts'
import { textWidth } from '../../../lib/cli/cells.ts'
import { UsageError } from '../../../lib/cli/usage.ts'
import { adviseOn } from '../../../lib/drill/advice.ts'
import type { DrillRecord } from '../../../lib/drill/index.ts'
import { foreign, leaving, lossOf, recordOf, runOf, staying } from './records.ts'

const report = (record: DrillRecord, tried?: DrillRecord): DrillReport => ({
  record,
  advice: adviseOn(record),
  trial: tried && { variables: { GRACEFUL_ANNOUNCE_MIN_SECONDS: '1.5' }, untried: ['watchdog.enabled'], record: tried }
})

const killed = leaving('2 old', {
  report: undefined, departure: { took: 30_001, code: null, signal: 'SIGKILL', isKilled: true }
})
const losing = runOf([leaving('1 old'), killed, staying('1 new')], [
  ...Array.from({ length: 7 }, (_, index) => lossOf('refused', '1 old', 500 + index)),
  lossOf('reset-reused', '2 old', 30_010, { path: '/訂單/🚀' }), lossOf('timeout', undefined, undefined)
])
const whole = recordOf([losing, runOf([leaving('1 old')], [])])
const textOf = (one: DrillReport, width = 120): string => tableOf(one, width).map(({ text }) => text).join('\n')

// Scenario (The rehearsal of an update): The result as a table of any width, as JSON, JUnit XML and a page, with names
// and log lines that would break each of these
t.test('the table tells what was lost, when and where, and what to change', async (t) => {
  const text = textOf(report(whole))
  t.match(text, '9 of 2000 requests lost in 2 runs (0 to 9 each)')
  t.match(text, 'service.js: front kube-proxy, 2 replicas, grace period 30 s, 100 requests a second')
  t.match(text, /^ {2}range +1000\.\.1000 +0\.\.9 +1\.2\.\.1\.2/m)
  t.match(text, /^ {2}7 +refused +1 old +draining +500 to 506 ms after the signal$/m)
  t.match(text, /^ {2}\+500 ms +1 old +draining +GET \/orders: refused \(ECONNREFUSED\)$/m)
  t.match(text, 'and 4 more')
  t.match(text, /^ {2}before the update +100 +1\.2 +3\.4 +12\.5 +123$/m)
  t.match(text, /^ {2}1 old +exit 0 after 1 s +clean: shutdown by SIGTERM in 1000 ms, nothing cut$/m)
  t.match(text, /^ {2}2 old +KILLED at the end of the grace period \(30 s\)$/m)
  t.match(text, /^ {2}1 new +stayed$/m)
  t.match(text, /^1\. Keep phase 1 for 1.5 s at least$/m)
  t.match(text, /would have saved 7\s+requests/)
  t.match(text, /^ {5}announce\.min: 1500\n {5}GRACEFUL_ANNOUNCE_MIN_SECONDS=1.5\n {5}chart: announce.minSeconds: 1.5$/m)
})

t.test('a drill that loses nothing is short, and one that may lose something says so', async (t) => {
  const text = textOf(report(recordOf([runOf([leaving('1 old')], [])], { maxLost: 3, fault: 'hang' })))
  t.match(text, '0 of 1000 requests lost, 3 allowed')
  t.match(text, 'fault hang')
  t.notMatch(text, /by kind|advice|the first of them|run 1/)
})

t.test('a run with more losses than are kept says so where it counts those that are', async (t) => {
  const kept = Array.from({ length: 3 }, () => lossOf('refused', '1 old', 500))
  const text = textOf(report(recordOf([runOf([leaving('1 old')], kept, { lost: 965 })])))
  t.match(text, '965 of 1000 requests lost')
  t.match(text, /^lost, by kind, replica and phase: the first 3 of 965$/m)
  t.match(text, 'and 962 more')
})

t.test('an advice that was tried stands beside what was', async (t) => {
  const text = textOf(report(whole, recordOf([runOf([leaving('1 old')], [lossOf('truncated', '1 old', 1)])])))
  t.match(text, 'GRACEFUL_ANNOUNCE_MIN_SECONDS=1.5')
  t.match(text, 'Not tried, for no variable sets it: watchdog.enabled.')
  t.match(text, /^ +as it is +with the advice$/m)
  t.match(text, /^ {2}lost +9 +1$/m)
  t.match(text, /^ {4}refused +7 +0$/m)
  t.match(text, /^ {4}truncated +0 +1$/m)
  const nothing = { ...report(whole), trial: { variables: {}, untried: ['watchdog.enabled'], record: undefined } }
  t.match(textOf(nothing), 'nothing was tried')
})

t.test('a drill stands beside another one', async (t) => {
  const text = textOf({ ...report(recordOf([runOf([leaving('1 old')], [])])), compared: { name: 'before.json', record: whole } })
  t.match(text, /\n\ncompared with before\.json\nservice\.js: front kube-proxy, 2 replicas, .*\n +before +now\n/)
  t.match(text, /^ {2}requests +2000 +1000$/m)
  t.match(text, /^ {2}lost +9 +0$/m)
  t.match(text, /^ {4}refused +7 +0$/m)
  t.match(text, /^ {2}p99 in ms +\S+ +\S+$/m)
})

t.test('no line is wider than the terminal, at every width from 20 to 250 columns', async (t) => {
  const reports = [report(whole), { ...report(whole, whole), compared: { name: '前/'.repeat(20), record: whole } }, report(recordOf([runOf([foreign('店舗 1')], [])]))]
  for (let width = 20; width <= 250; width++) {
    const wide = reports.flatMap((one) => tableOf(one, width)).filter(({ text }) => textWidth(text) > width)
    if (wide.length > 0) t.fail(`${width} columns`, { wide })
  }
  t.pass()
})

const anyText = fc.string({ unit: 'binary', maxLength: 300 })
/** A record with text from anywhere in it. */
const hostile = fc.tuple(anyText, anyText, anyText, fc.integer({ min: 20, max: 250 })).map(([a, b, c, width]) => {
  const replica = leaving(a, { log: [{ msg: b }] })
  replica.report!.summary = c
  replica.report!.advice = [b]
  replica.history.push({ phase: c, at: 0 })
  return {
    width,
    report: report(recordOf([runOf([replica, foreign(b)], [
      lossOf('refused', a, 500, { detail: c, path: b }), lossOf('answered-5xx', b, 10, { method: c, detail: a }),
      lossOf('wrong-answer', a, 10, { detail: b })
    ])], { service: b, front: c, fault: a }))
  }
})

t.test('whatever names, paths and log lines hold, lines fit, and no control character reaches the terminal', async (t) => {
  fc.assert(fc.property(hostile, ({ report, width }) => {
    for (const { text } of tableOf(report, width)) {
      if (textWidth(text) > width) throw new Error(`${textWidth(text)} of ${width}: ${text}`)
      if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) throw new Error(JSON.stringify(text))
    }
  }), { numRuns: 200 })
  t.pass()
})

t.test('text is wrapped between words', async (t) => {
  const lines = wrapped('1. ', 'one two three four', 11).map(({ text }) => text)
  t.same(lines, ['1. one two', '   three', '   four'])
  t.same(wrapped('1. ', 'a-word-that-is-longer', 10).map(({ text }) => text), ['1. a-word-that-is-longer'])
})

t.test('JSON is the record with the advice', async (t) => {
  const one = report(whole)
  const read = JSON.parse(jsonOf(one)) as Record<string, unknown>
  t.match(read, { version: 1, service: 'service.js', maxLost: 0, advice: [{ cause: 'late-front', saves: 7 }, {}] })
  t.notOk('trial' in read)
  t.match(JSON.parse(jsonOf(report(whole, whole))), { trial: { record: { version: 1 }, untried: ['watchdog.enabled'] } })
})

t.test('JSON holds the figures of the drill that this one is compared with', async (t) => {
  const now = recordOf([runOf([leaving('1 old')], [])])
  const read = JSON.parse(jsonOf({ ...report(now), compared: { name: 'before.json', record: whole } }))
  t.strictSame(read.compared, {
    name: 'before.json',
    subject: 'service.js: front kube-proxy, 2 replicas, grace period 30 s, 100 requests a second',
    before: { requests: 2000, lost: 9, byKind: { refused: 7, 'reset-reused': 1, timeout: 1 }, p99: 12.5, max: 123.4 },
    now: { requests: 1000, lost: 0, byKind: {}, p99: 12.5, max: 123.4 }
  })
  t.strictSame({ ...read, compared: undefined }, { ...JSON.parse(jsonOf(report(now))), compared: undefined })
})

const given = (values: Record<string, string[]>): Given =>
  new Given(Object.entries(values).flatMap(([flag, texts]) => texts.map((text) => [flag, text] as const)))

t.test('where the result goes', async (t) => {
  t.same(readOutput(given({})), { paths: {}, tryAdvice: false })
  t.same(readOutput(given({ json: ['-'], html: ['a.html'], 'try-advice': [''] })),
    { paths: { json: '-', html: 'a.html' }, tryAdvice: true })
  t.throws(() => readOutput(given({ json: [''] })), /option '--json' must be the path of a file/)
  t.throws(() => readOutput(given({ json: ['a'], junit: ['a'] })), /options '--json' and '--junit' must be different/)
})

t.test('a drill is compared with what a drill has written, and with nothing else', async (t) => {
  const { runs, ...rest } = whole
  const folder = t.testdir({
    'good.json': jsonOf(report(whole)),
    'text.json': 'no JSON',
    'null.json': 'null',
    'later.json': JSON.stringify({ ...whole, version: 2 }),
    'empty.json': JSON.stringify({ ...rest, runs: [] }),
    'odd.json': JSON.stringify({ ...rest, runs: [{ ...runs[0], byKind: { refused: '\u001b[2J' } }] }),
    'bare.json': JSON.stringify({ ...rest, runs: [null] })
  })
  const read = (name: string): OutputPlan => readOutput(given({ compare: [join(folder, name)] }))
  t.equal(textOf({ ...report(whole), compared: read('good.json').compared! }).split('compared with').length, 2)
  for (const name of ['text.json', 'null.json', 'later.json', 'empty.json', 'odd.json', 'bare.json', 'none.json', '']) {
    t.throws(() => read(name), /option '--compare' must be a file that --json of a drill has written/, name)
  }
})

t.test('files are opened before anything is run, and nothing is left of one that is not written', async (t) => {
  const folder = t.testdir({ kept: 'as it was', there: 'a longer text than what comes' })
  const path = (name: string): string => join(folder, name)
  t.throws(() => new Outputs({ paths: { json: path('no/such/folder') }, tryAdvice: false }), UsageError)
  t.throws(() => new Outputs({ paths: { json: path('new'), html: folder }, tryAdvice: false }),
    /option '--html' must be a file that can be written, got '.*' \(EISDIR\)/)
  t.notOk(existsSync(path('new')), 'what was opened before is given up')
  const outputs = new Outputs({ paths: { json: path('there'), junit: path('new'), html: path('kept') }, tryAdvice: false })
  t.ok(outputs.wants('json'))
  outputs.write('json', 'short')
  outputs.close()
  t.equal(readFileSync(path('there'), 'utf8'), 'short')
  t.equal(readFileSync(path('kept'), 'utf8'), 'as it was')
  t.notOk(existsSync(path('new')))
  t.equal(new Outputs({ paths: { json: '-' }, tryAdvice: false }).text, process.stderr)
  if (process.getuid?.() !== 0) {
    writeFileSync(path('locked'), '')
    chmodSync(path('locked'), 0o400)
    t.throws(() => new Outputs({ paths: { json: path('locked') }, tryAdvice: false }), /EACCES/)
  }
  const device = new Outputs({ paths: { json: '/dev/null' }, tryAdvice: false })
  device.write('json', 'nowhere')
})

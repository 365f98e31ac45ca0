import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import {
  formatTerminationMessage, maxMessageBytes, probeTerminationMessage, readTerminationMessage, writeTerminationMessage
} from '../../../lib/platform/kubernetes/message.ts'
import type { TerminationRecord } from '../../../lib/platform/kubernetes/message.ts'
import { until } from '../../support/app.ts'
import { noTraffic } from '../../support/report.ts'
import { inTime, Stopwatch } from '../../support/stopwatch.ts'

const plain: TerminationRecord = {
  final: true,
  verdict: 'clean',
  summary: 'shutdown by SIGTERM in 5012 ms, nothing cut',
  phase: 'terminated',
  kind: 'shutdown',
  reason: 'SIGTERM',
  exitCode: 0,
  time: '2026-11-22T02:45:00.000Z',
  startedAt: '2026-11-22T02:44:54.988Z',
  duration: 5012,
  pid: 7,
  gracePeriod: 30_000,
  preStop: 0,
  phases: [{ phase: 'announcing', duration: 5000, endedBy: 'condition', stalledBy: [] }],
  traffic: noTraffic(),
  cut: { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [] },
  failures: [],
  advice: []
}

type Written = TerminationRecord & { omitted?: Record<string, number> }
const written = (record: TerminationRecord): Written => JSON.parse(formatTerminationMessage(record)) as Written
const requests = (count: number, route = '/orders/:id'): Array<{ method: string, route: string, age: number }> =>
  Array.from({ length: count }, (_, age) => ({ method: 'GET', route, age }))

t.test('a record that fits is written as it is', async (t) => {
  t.same(written(plain), JSON.parse(JSON.stringify(plain)))
  t.notMatch(formatTerminationMessage(plain), /[\r\n]/, 'one line')
})

t.test('lists are shortened with a count', async (t) => {
  const record = written({
    ...plain,
    cut: { requests: requests(300), streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: ['outbox'] }
  })
  t.ok(record.cut!.requests.length > 0)
  t.same(record.cut!.requests, requests(300).slice(0, record.cut!.requests.length), 'the first ones stay')
  t.same(record.omitted, { 'cut.requests': 300 - record.cut!.requests.length })
  t.same(record.cut!.waiting, ['outbox'])

  const stalledBy = Array.from({ length: 200 }, (_, index) => ({ name: `participant ${index}`, reason: 'not yet' }))
  const phases = (['announcing', 'draining'] as const)
    .map((phase) => ({ phase, duration: 1, endedBy: 'cap' as const, stalledBy }))
  const nested = written({ ...plain, phases })
  t.same(
    nested.phases?.map(({ phase }) => phase),
    ['announcing', 'draining'],
    'a list within a list is shortened where it is too long'
  )
  t.same(nested.omitted, { 'phases.stalledBy': 400 - nested.phases![0]!.stalledBy.length * 2 }, 'and counted as one')
})

t.test('long names are cut, at whole characters', async (t) => {
  const record = written({
    ...plain,
    cut: {
      requests: requests(1, `/${'x'.repeat(10_000)}`),
      streams: 0,
      upgraded: 0,
      connections: [],
      byOthers: [],
      waiting: []
    }
  })
  t.match(record.cut!.requests[0]!.route, /^\/x{100,}…$/)
  const emoji = written({ ...plain, reason: '😀'.repeat(5000) })
  t.match(emoji.reason, /^(?:😀)+…$/u, 'no half of a character')
})

t.test('never more than the kubelet shows, never anything but JSON', async (t) => {
  const pieces = [
    'x', 'é', '漢', '😀', '\uD800', '\uDC00', '\u0000', '\u001B', '"', '\\', '\n', '\u2028', '</script>', '\u007F'
  ]
  let seed = 42
  // A generator of its own, so that what fails can be seen again.
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor(seed / 2_147_483_648 * below)
  }
  const text = (): string => pieces[random(pieces.length)]!.repeat([0, 1, 10, 500, 20_000][random(5)]!)
  const list = <T>(make: () => T): T[] => Array.from({ length: [0, 1, 5, 100, 500][random(5)]! }, make)
  let longest = 0
  for (let round = 0; round < 60; round++) {
    const record: TerminationRecord = {
      ...plain,
      summary: text(),
      reason: text(),
      failures: list(() => ({ name: text().slice(0, 500), message: text().slice(0, 2000), phase: 'draining' })),
      advice: list(() => text().slice(0, 500)),
      cut: {
        requests: list(() => ({ method: text().slice(0, 100), route: text().slice(0, 2000), age: random(1e9) })),
        streams: 1e15,
        upgraded: 0,
        connections: [],
        byOthers: [],
        waiting: list(() => text().slice(0, 500))
      },
      applications: list(() => ({
        name: text().slice(0, 50),
        final: false,
        verdict: 'unfinished',
        phase: 'draining',
        summary: text().slice(0, 500)
      })),
      stack: list(() => text().slice(0, 300))
    }
    const line = formatTerminationMessage(record)
    longest = Math.max(longest, Buffer.byteLength(line))
    const parsed = JSON.parse(line) as Written
    if (parsed.verdict !== 'clean' || parsed.pid !== 7) t.fail(`round ${round} lost its verdict`)
  }
  t.ok(longest <= maxMessageBytes, `${longest} bytes at most`)
  t.ok(longest > maxMessageBytes * 0.8, 'and the room is used')
})

t.test('whatever else a record holds', async (t) => {
  const strange = { ...plain, big: 10n, nothing: undefined, infinite: Infinity, when: new Date(0) } as TerminationRecord
  t.match(written(strange), { big: 10, infinite: null })
  const cyclic: Record<string, unknown> = { ...plain }
  cyclic['self'] = cyclic
  t.match(written(cyclic as unknown as TerminationRecord), { verdict: 'clean' })
  const wide = { ...plain, ...Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`key ${index}`, index])) }
  t.same(written(wide), {
    final: true,
    verdict: 'clean',
    phase: 'terminated',
    kind: 'shutdown',
    reason: 'SIGTERM',
    exitCode: 0,
    time: '2026-11-22T02:4…',
    pid: 7
  }, 'the essence is left')
})

t.test('the file is overwritten in place', async (t) => {
  const path = join(t.testdir({ log: '' }), 'log')
  const { ino } = statSync(path)
  writeTerminationMessage(path, 'a long text')
  writeTerminationMessage(path, 'short')
  t.equal(readFileSync(path, 'utf8'), 'short', 'nothing of the longer text is left')
  writeTerminationMessage(path, '')
  t.equal(readFileSync(path, 'utf8'), '')
  t.equal(statSync(path).ino, ino, 'a mounted file cannot be replaced by another')
  writeFileSync(path, 'x'.repeat(100_000))
  writeTerminationMessage(path, formatTerminationMessage(plain))
  t.match(readTerminationMessage(path), { verdict: 'clean', pid: 7 })
  t.equal(statSync(path).size, Buffer.byteLength(formatTerminationMessage(plain)))
})

t.test('nobody ever finds the file empty', async (t) => {
  const path = join(t.testdir({ log: '' }), 'log')
  const texts = [formatTerminationMessage(plain), formatTerminationMessage({ ...plain, reason: 'x'.repeat(1000) })]
  writeTerminationMessage(path, texts[0]!)
  const stop = new Int32Array(new SharedArrayBuffer(8))
  const reader = new Worker(`
    const { readFileSync } = require('node:fs')
    const { parentPort, workerData: { path, stop } } = require('node:worker_threads')
    let looks = 0, empty = 0
    Atomics.store(stop, 1, 1)
    while (Atomics.load(stop, 0) === 0 || looks < 100) {
      looks++
      if (readFileSync(path).length === 0) empty++
    }
    parentPort.postMessage({ looks, empty })
  `, { eval: true, workerData: { path, stop } })
  const answer = once(reader, 'message')
  await until(() => Atomics.load(stop, 1) === 1)
  for (let round = 0; round < 1000; round++) writeTerminationMessage(path, texts[round % 2]!)
  Atomics.store(stop, 0, 1)
  const [{ looks, empty }] = await answer as [{ looks: number, empty: number }]
  t.equal(empty, 0, `in ${looks} looks`)
})

t.test('what is no file is left alone, and nobody waits', async (t) => {
  const folder = t.testdir({ file: '', locked: '' })
  const at = (name: string): string => join(folder, name)
  t.throws(() => writeTerminationMessage(at('absent'), 'x'), { code: 'ENOENT' })
  t.notOk(existsSync(at('absent')), 'and it is not created')
  mkdirSync(at('folder'))
  t.throws(() => writeTerminationMessage(at('folder'), 'x'), { message: `${at('folder')} is no regular file` })
  t.throws(() => writeTerminationMessage('/dev/null', 'x'), { message: '/dev/null is no regular file' })
  execFileSync('mkfifo', [at('fifo')])
  const watch = new Stopwatch(process.pid)
  t.throws(() => writeTerminationMessage(at('fifo'), 'x'), { message: `${at('fifo')} is no regular file` })
  t.equal(readTerminationMessage(at('fifo')), undefined)
  inTime(t, watch.stop(), [0, 1000], 'a FIFO without a reader would block an ordinary open:')
  symlinkSync(at('fifo'), at('link'))
  t.throws(() => writeTerminationMessage(at('link'), 'x'), /is a symbolic link, and not followed/)
  t.match(probeTerminationMessage(at('absent')), { code: 'ENOENT' })
  t.equal(probeTerminationMessage(at('file')), undefined)
  chmodSync(at('locked'), 0o444)
  // Root may write what nobody may.
  if (process.getuid?.() !== 0) t.match(probeTerminationMessage(at('locked')), { code: 'EACCES' })
})

t.test('what cannot be read as a record is none', async (t) => {
  const folder = t.testdir({ empty: '', text: 'Killed', number: '5', torn: '{"final":true', record: '{"final":true}' })
  for (const name of ['empty', 'text', 'number', 'torn', 'absent']) {
    t.equal(readTerminationMessage(join(folder, name)), undefined, name)
  }
  t.same(readTerminationMessage(join(folder, 'record')), { final: true })
})

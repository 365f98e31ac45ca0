import { stripVTControlCharacters } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import { barCells as cellsFor, frame, looksOf } from '../../../lib/cli/drill/frame.ts'
import type { Shown, ShownReplica } from '../../../lib/cli/drill/frame.ts'
import { blank, clip, pad, width } from '../../../lib/cli/drill/text.ts'
import { lossKinds, Tally } from '../../../lib/drill/losses.ts'

/** What stands beside a bar: the name, the figures, and what separates them. */
const barCells = (columns: number): number => cellsFor(columns, 40)
const rows = 1000


const begun = 1_790_000_000_000
const phases = ['starting', 'running', 'announcing', 'closing', 'draining', 'terminated']
const widths = Array.from({ length: 231 }, (_, index) => index + 20)

function tallyOf (byKind: Record<string, number>, byReplica: Record<string, number>, requests: number): Tally {
  const tally = new Tally()
  Object.assign(tally.byKind, byKind)
  tally.requests = requests
  tally.lost = Object.values(byKind).reduce((sum, count) => sum + count, 0)
  for (const [name, count] of Object.entries(byReplica)) tally.byReplica.set(name, count)
  return tally
}

/** Six replicas, the last three of which start later. */
function update (elapsed: number): Shown {
  const replicas = [0, 0, 0, 3000, 6000, 9000].map((from, index): ShownReplica => ({
    name: `${index % 3 + 1} v${index < 3 ? 1 : 2}`,
    host: '127.0.0.1',
    port: 20_000 + index,
    exit: undefined,
    signalledAt: from + 1400 < elapsed ? begun + from + 1400 : undefined,
    phase: 'running',
    history: phases.map((phase, step) => ({ phase, at: begun + from + step * 700 }))
      .filter(({ at }) => at <= begun + elapsed),
    removedAt: from + 3600 < elapsed ? begun + from + 3600 : undefined
  }))
  return {
    title: 'Rolling update: service.js behind a Service of Kubernetes',
    drill: {
      begunAt: begun,
      loadedAt: begun + 500,
      replicas,
      front: { has: () => true, connections: () => 12 },
      tally: tallyOf({ refused: 2, 'reset-new': 1 }, Object.fromEntries(replicas.map((one) => [one.name, 34])), 1849)
    }
  }
}

t.test('every width from 20 to 250 columns at every moment of a minute: whole bars, and no line is wider', (t) => {
  let frames = 0
  for (const columns of widths) {
    const cells = barCells(columns)
    for (let elapsed = 0; elapsed <= 60_000; elapsed += 131) {
      const looks = looksOf({ history: [{ phase: 'running', at: begun }], removedAt: undefined, signalledAt: undefined }, { from: begun, elapsed, cells })
      const filled = looks.filter((look) => look !== undefined).length
      // A cell is 250 ms, or more where the update lasts longer than the bar has cells; it is filled when it has begun.
      const expected = elapsed > cells * 250 ? cells : Math.ceil(elapsed / 250)
      if (looks.length !== cells || filled !== expected) t.fail('cells', { columns, elapsed, cells, filled, expected })
      if (elapsed % (10 * 131) !== 0) continue
      frames++
      const lines = frame(update(elapsed), { columns, rows, colour: false, now: begun + elapsed })
      const wide = lines.filter((line) => width(line) > columns)
      if (wide.length > 0 || lines.length !== 11) t.fail('lines', { columns, elapsed, lines })
      if (
        columns >= 60
        && !lines.slice(3, 9).every((line) => /^\d v\d {4}/.test(line) && line.endsWith('         12     34')
          && line.length === 8 + cells + 1 + 29)
      ) {
        t.fail('rows', { columns, elapsed, lines })
      }
    }
  }
  t.ok(frames > 10_000, `${frames} frames`)
  t.end()
})

const time = fc.oneof(fc.integer({ min: -5000, max: 700_000 }), fc.double({ min: -1, max: 100_000, noNaN: true }))
const name = fc.oneof(
  fc.constantFrom('1 v1', '店舗の複製', '👩‍🚀 one', 'é́', ''),
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !/\p{Cc}/u.test(text))
)
const replica = fc.record({
  name,
  phase: fc.constantFrom(...phases, 'no phase of ours'),
  history: fc.array(
    fc.record({ phase: fc.constantFrom(...phases, 'no phase of ours'), at: time.map((at) => begun + at) }),
    { maxLength: 8 }
  ),
  host: fc.constant('127.0.0.1'),
  port: fc.constant(20_000),
  removedAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
  signalledAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
  exit: fc.constantFrom(undefined, 0, 1, 143, 'SIGKILL' as const, 'SIGSEGV' as const)
})
const anyUpdate = fc.record({
  title: fc.oneof(fc.constantFrom('', '店舗の複製の更新'), fc.stringMatching(/^[ -~]{0,300}$/)),
  drill: fc.record({
    begunAt: fc.constant(begun),
    loadedAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
    endedAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
    replicas: fc.array(replica, { maxLength: 8 }),
    front: fc.nat({ max: 1e9 }).map((count) => ({ has: () => false, connections: () => count })),
    tally: fc.record({
      byKind: fc.dictionary(fc.constantFrom(...Object.keys(lossKinds)), fc.nat()),
      byReplica: fc.dictionary(name, fc.nat({ max: 1e9 })),
      requests: fc.nat()
    }).map(({ byKind, byReplica, requests }) => tallyOf(byKind, byReplica, requests))
  })
})
const anyWidth = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 61.5, 100_000)
)

t.test('no update, moment or width breaks a frame, in colour and without', (t) => {
  fc.assert(fc.property(anyUpdate, anyWidth, time, fc.boolean(), (update, columns, elapsed, colour) => {
    const lines = frame(update, { columns, rows, colour, now: begun + elapsed })
    const room = Number.isFinite(columns) ? Math.max(0, columns) : 0
    return lines.length === update.drill.replicas.length + 5
      && lines.every((line) => width(line) <= room && !line.includes('\n'))
  }), { numRuns: 300 })
  t.end()
})

t.test('a frame in colour says what one without says, and ends its colours where it is cut', (t) => {
  fc.assert(fc.property(anyUpdate, fc.integer({ min: 0, max: 250 }), time, (update, columns, elapsed) => {
    const [plain, coloured] = [false, true].map((colour) =>
      frame(update, { columns, rows, colour, now: begun + elapsed }))
    return coloured!.every((line, index) => stripVTControlCharacters(line) === stripVTControlCharacters(plain![index]!)
      // oxlint-disable-next-line no-control-regex -- that is what is looked for
      && !/\u001b\[(?:1|3[0-8]|90)m[^\u001b]*$/.test(line))
  }), { numRuns: 150 })
  t.end()
})

t.test('text is as wide as a terminal shows it', (t) => {
  const cases: Array<[string, number]> = [
    ['', 0], ['1 v1', 4], ['\u001b[1mbold\u001b[22m', 4], ['日本', 4], ['한글', 4], ['é', 1], ['e\u0301', 1], ['🚀', 2],
    ['ｆｕｌｌ', 8], ['█▓▒┃×', 5], ['…', 1]
  ]
  for (const [text, cells] of cases) t.equal(width(text), cells, JSON.stringify(text))
  t.equal(clip('日本', 3), '日', 'half an ideograph is none')
  t.equal(clip('\u001b[32mgreen\u001b[39m', 2), '\u001b[32mgr\u001b[0m')
  t.equal(pad('日', 4), '日  ')
  t.same([blank(-3), blank(Number.NaN), blank(Number.POSITIVE_INFINITY), blank(2.9)], ['', '', '', '  '])
  t.end()
})

t.test('a terminal with too few rows shows those who are there, and how many it does not show', (t) => {
  const { drill, ...shown } = update(10_000)
  const replicas = drill.replicas.map((one, index): ShownReplica => ({ ...one, exit: index < 2 ? 0 : undefined }))
  for (let rows = 1; rows < 14; rows++) {
    const lines = frame({ ...shown, drill: { ...drill, replicas } }, { columns: 80, rows, colour: false, now: begun + 10_000 })
    const names = lines.flatMap((line) => /^\d v\d/.exec(line) ?? [])
    if (rows >= 12) t.same(names, ['1 v1', '2 v1', '3 v1', '1 v2', '2 v2', '3 v2'])
    else if (rows >= 8) {
      t.equal(lines.length, rows - 1, `${rows} rows are used`)
      t.equal(lines.at(-3), `… ${6 - names.length} more replicas`)
      t.same(names.filter((one) => !['1 v1', '2 v1'].includes(one)).length, Math.min(4, rows - 7))
    }
  }
  t.end()
})

t.test('a service that tells no phase is shown as signalled from SIGTERM to its end', (t) => {
  const replica: ShownReplica = {
    name: '1 old', host: '127.0.0.1', port: 20_000, phase: 'running', exit: undefined, removedAt: undefined,
    history: [{ phase: 'starting', at: begun }, { phase: 'running', at: begun + 500 }], signalledAt: begun + 1000
  }
  const { drill, ...shown } = update(3000)
  const linesOf = (one: ShownReplica): string[] => frame(
    { ...shown, drill: { ...drill, replicas: [one] } }, { columns: 80, rows, colour: false, now: begun + 3000 }
  )
  t.match(linesOf(replica)[3], /^1 old {3}··██▒{8} +signalled {9}12 {6}0$/)
  t.match(linesOf(replica)[2], '█ running  ▒ signalled ')
  const gone: ShownReplica = {
    ...replica, exit: 'SIGKILL', history: [...replica.history, { phase: 'terminated', at: begun + 2000 }]
  }
  t.match(linesOf(gone)[3], /^1 old {3}··██▒{4} {4} +exit SIGKILL/)
  t.match(linesOf(update(3000).drill.replicas[0]!)[2], 'announcing')
  t.end()
})

import { stripVTControlCharacters } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import { lossKinds } from '../../lib/drill/losses.ts'

interface Replica {
  name: string
  phase: string
  history: Array<{ phase: string, at: number }>
  removedAt?: number | undefined
  exit?: number | string | undefined
}
interface Update {
  shutdown: 'graceful' | 'plain'
  figuresOf: () => { inFlight: number, connections: number }
  drill: {
    begunAt: number
    loadedAt?: number | undefined
    endedAt?: number | undefined
    replicas: Replica[]
    front: { has: () => boolean }
    tally: { requests: number, lost: number, byKind: Record<string, number> }
  }
}
interface View { columns: number, colour: boolean, now: number }
interface Frame {
  frame (update: Update, view: View): string[]
  barCells (columns: number): number
  looksOf (
    replica: Pick<Replica, 'history' | 'removedAt'>,
    view: { from: number, elapsed: number, cells: number }
  ): Array<object | undefined>
}
interface Text {
  width (text: string): number
  clip (text: string, cells: number): string
  pad (text: string, cells: number): string
  blank (cells: number): string
}

const load = async <T>(file: string): Promise<T> =>
  await import(new URL(`../../examples/demo/${file}`, import.meta.url).href) as T
const { frame, barCells, looksOf } = await load<Frame>('frame.js')
const { width, clip, pad, blank } = await load<Text>('text.js')

const begun = 1_790_000_000_000
const phases = ['starting', 'running', 'announcing', 'closing', 'draining', 'terminated']
const widths = Array.from({ length: 231 }, (_, index) => index + 20)

/** An update as the demo has it: six replicas, the last three of which start later. */
function update (elapsed: number): Update {
  const replicas = [0, 0, 0, 3000, 6000, 9000].map((from, index) => ({
    name: `${index % 3 + 1} v${index < 3 ? 1 : 2}`,
    phase: 'running',
    history: phases.map((phase, step) => ({ phase, at: begun + from + step * 700 }))
      .filter(({ at }) => at <= begun + elapsed),
    removedAt: from + 3600 < elapsed ? begun + from + 3600 : undefined
  }))
  return {
    shutdown: 'graceful',
    figuresOf: () => ({ inFlight: 12, connections: 34 }),
    drill: {
      begunAt: begun,
      loadedAt: begun + 500,
      replicas,
      front: { has: () => true },
      tally: { requests: 1849, lost: 3, byKind: { refused: 2, 'reset-new': 1, timeout: 0 } }
    }
  }
}

t.test('every width from 20 to 250 columns at every moment of a minute: whole bars, and no line is wider', (t) => {
  let frames = 0
  for (const columns of widths) {
    const cells = barCells(columns)
    for (let elapsed = 0; elapsed <= 60_000; elapsed += 131) {
      const looks = looksOf({ history: [{ phase: 'running', at: begun }] }, { from: begun, elapsed, cells })
      const filled = looks.filter((look) => look !== undefined).length
      // A cell is 250 ms, or more where the update lasts longer than the bar has cells; it is filled when it has begun.
      const expected = elapsed > cells * 250 ? cells : Math.ceil(elapsed / 250)
      if (looks.length !== cells || filled !== expected) t.fail('cells', { columns, elapsed, cells, filled, expected })
      if (elapsed % (10 * 131) !== 0) continue
      frames++
      const lines = frame(update(elapsed), { columns, colour: false, now: begun + elapsed })
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
  removedAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
  exit: fc.constantFrom(undefined, 0, 1, 143, 'SIGKILL', 'SIGSEGV')
})
const anyUpdate = fc.record({
  shutdown: fc.constantFrom('graceful' as const, 'plain' as const),
  figuresOf: fc.record({ inFlight: fc.nat({ max: 1e9 }), connections: fc.nat({ max: 1e9 }) })
    .map((figures) => () => figures),
  drill: fc.record({
    begunAt: fc.constant(begun),
    loadedAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
    endedAt: fc.option(time.map((at) => begun + at), { nil: undefined }),
    replicas: fc.array(replica, { maxLength: 8 }),
    front: fc.constant({ has: () => false }),
    tally: fc.record({
      requests: fc.nat(),
      lost: fc.nat(),
      byKind: fc.dictionary(fc.constantFrom(...Object.keys(lossKinds)), fc.nat())
    })
  })
})
const anyWidth = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 61.5, 100_000)
)

t.test('no update, moment or width breaks a frame, in colour and without', (t) => {
  fc.assert(fc.property(anyUpdate, anyWidth, time, fc.boolean(), (update, columns, elapsed, colour) => {
    const lines = frame(update, { columns, colour, now: begun + elapsed })
    const room = Number.isFinite(columns) ? Math.max(0, columns) : 0
    return lines.length === update.drill.replicas.length + 5
      && lines.every((line) => width(line) <= room && !line.includes('\n'))
  }), { numRuns: 1500 })
  t.end()
})

t.test('a frame in colour says what one without says, and ends its colours where it is cut', (t) => {
  fc.assert(fc.property(anyUpdate, fc.integer({ min: 0, max: 250 }), time, (update, columns, elapsed) => {
    const [plain, coloured] = [false, true].map((colour) => frame(update, { columns, colour, now: begun + elapsed }))
    return coloured!.every((line, index) => stripVTControlCharacters(line) === stripVTControlCharacters(plain![index]!)
      // oxlint-disable-next-line no-control-regex -- that is what is looked for
      && !/\u001b\[(?:1|3[0-8]|90)m[^\u001b]*$/.test(line))
  }), { numRuns: 500 })
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

import * as fc from 'fast-check'
import t from 'tap'
import { EventReader, later, merge } from '../../lib/status/shown.ts'
import { boundsOf, partsOf, stepsOf } from '../../lib/status/sentences.ts'
import {
  decimal, duration, enumerate, firstOf, grouped, namesOf, running, share, times
} from '../../lib/status/words.ts'

t.test('a time says as much as somebody reads, and one that goes on is never ahead', (t) => {
  const rows: Array<[milliseconds: number | undefined, settled: string, running: string]> = [
    [-5, '0 ms', '0.0 s'],
    [0, '0 ms', '0.0 s'],
    [340.4, '340 ms', '0.3 s'],
    [999, '999 ms', '0.9 s'],
    [1000, '1 s', '1.0 s'],
    [4250, '4.3 s', '4.2 s'],
    [59_949, '59.9 s', '59.9 s'],
    [59_960, '1 min', '59.9 s'],
    [60_000, '1 min', '1 min'],
    [192_700, '3 min 13 s', '3 min 12 s'],
    [3_600_000, '1 h', '1 h'],
    [11_520_000, '3 h 12 min', '3 h 12 min'],
    [86_400_000 * 2 + 3_600_000 * 3, '2 d 3 h', '2 d 3 h'],
    [Number.NaN, '-', '-'],
    [undefined, '-', '-']
  ]
  for (const [milliseconds, settled, ticking] of rows) {
    t.equal(duration(milliseconds), settled, `${milliseconds}`)
    if (milliseconds !== undefined) t.equal(running(milliseconds), ticking, `${milliseconds}, running`)
  }
  t.same([12.34, 3, -0.04, Number.NaN, undefined].map(decimal), ['12.3', '3', '0', '-', '-'])
  fc.assert(fc.property(fc.double(), fc.double(), (part, whole) => share(part, whole) >= 0 && share(part, whole) <= 1))
  t.end()
})

t.test('equal things are named once, with their number, and of many the first', (t) => {
  t.equal(namesOf([]), '')
  t.equal(namesOf(['a', 'b', 'a']), 'a ×2, b')
  t.equal(namesOf('abcdefghijklmm'.split(''), '; '), 'a; b; c; d; e; f; g; h; i; j and 4 more')
  const stalls = [{ name: 'mail', reason: '1' }, { name: 'mail', reason: '2' }, { name: 'log', reason: '3' }]
  t.equal(
    enumerate(grouped(stalls, ({ name }) => name), ({ first, count }) => `${first.name}${times(count)} (${first.reason})`),
    'mail ×2 (1), log (3)'
  )
  t.equal(grouped(stalls).length, 3, 'without a key, by all that they are')
  fc.assert(fc.property(fc.array(fc.nat({ max: 30 })), fc.nat({ max: 40 }), (items, most) => {
    const { shown, more } = firstOf(grouped(items), most)
    return shown.length <= most && shown.reduce((sum, { count }) => sum + count, more) === items.length
  }))
  t.end()
})

t.test('a change is laid over a state that has grown older meanwhile', (t) => {
  const state = {
    at: 1000,
    requests: [{ route: '/a', age: 5 }],
    checks: [{ age: undefined }],
    eventLoop: { blocked: true, silence: 100 },
    children: [{ applications: [{ requests: [{ age: 1 }], report: { cut: [{ age: 9 }] } }] }],
    holds: ['x']
  }
  t.same(merge<object>(state, { at: 1250, holds: null, ready: true }), {
    at: 1250,
    requests: [{ route: '/a', age: 255 }],
    checks: [{ age: undefined }],
    eventLoop: { blocked: true, silence: 350 },
    children: [{ applications: [{ requests: [{ age: 251 }], report: { cut: [{ age: 9 }] } }] }],
    ready: true
  })
  t.same(later({ eventLoop: { blocked: false, silence: 0 } }, 250), { eventLoop: { blocked: false, silence: 0 } })
  t.end()
})

t.test('the phases have the bounds of the budget, and then those of the end', (t) => {
  const budget = {
    gracePeriod: 30_000, preStop: 5000, reserve: 2000, close: 5000, closing: 500,
    announce: { min: 5000, max: 10_000, quiet: 1000, blind: 9000, readinessDelay: 0 }
  }
  const bounds = (state: object): string[] => stepsOf({ budget, ...state }).map(boundsOf)
  t.same(bounds({ phase: 'running' }), ['', '5 s to 10 s', 'up to 500 ms', 'up to 18 s', 'up to 23 s'])
  const shutdown = { floor: 0, cap: 1000, phases: [] }
  t.same(
    bounds({ phase: 'closing', since: 50_000, deadline: 53_000, shutdown }),
    ['', '5 s to 10 s', 'up to 1 s', 'up to 3 s', 'up to 8 s']
  )
  t.same(stepsOf({ phase: 'running' }).map(boundsOf), ['', '', '', '', ''], 'nobody knows')
  t.same(partsOf(budget).map(({ length }) => length), [5000, 18_000, 5000, 2000])
  t.end()
})

t.test('events are the same, however their text is cut into pieces', (t) => {
  const text = ': hello\r\n\r\nretry: 1\n\nevent: status\ndata: {"a":"\u2028"}\n\ndata:1\ndata: 2\r\n\r\nevent: x\n\ndata: cut'
  const expected = [{ name: 'status', data: '{"a":"\u2028"}' }, { name: 'message', data: '1\n2' }]
  fc.assert(fc.property(fc.array(fc.nat({ max: text.length })), (cuts) => {
    const ends = [...new Set([...cuts, text.length])].toSorted((a, b) => a - b)
    const reader = new EventReader()
    const told = ends.flatMap((end, index) => reader.push(text.slice(ends[index - 1] ?? 0, end)))
    return JSON.stringify(told) === JSON.stringify(expected) && reader.pending === 'data: cut'.length
  }))
  t.end()
})

import * as fc from 'fast-check'
import t from 'tap'
import { table, wrap, view } from '../../../lib/cli/report/view.ts'
import { bucketsOf, spreadOf } from '../../../lib/cli/report/summary.ts'
import { textWidth } from '../../../lib/cli/cells.ts'
import { lineOf, summaryOf, wholeLog } from './sample.ts'

const shown = (lines: readonly string[], width: number, most = 20): string[] =>
  view(summaryOf(lines), { width, most }).map(({ text }) => text)
/** Without what breaks lines and lays out. */
const words = (text: string): string => text.replaceAll(/\s+/g, '')

t.test('every width from 20 to 250 columns: no line is wider, and nothing is left out', (t) => {
  const names = [
    'shop-7d9f8b6c5d-with-a-name-as-long-as-kubernetes-makes-them-x2x9z', 'outbox 発送', 'GET /日本語/🚀', '10.0.0.7',
    'hash /app/a.js:7:3', 'other code has closed the server', 'TERMINATION_GRACE_PERIOD_SECONDS=', 'announce.minSeconds: 19',
    'killed', 'shop-3', 'a second signal', 'disk full \\u001b[31m'
  ]
  for (let width = 20; width <= 250; width++) {
    const lines = shown(wholeLog(), width)
    const wide = lines.filter((line) => textWidth(line) > width)
    if (wide.length > 0) t.fail(`${width} columns`, { wide })
    const all = words(lines.join('\n'))
    const missing = names.filter((name) => !all.includes(words(name)))
    if (missing.length > 0) t.fail(`${width} columns`, { missing, lines })
  }
  t.pass('all of them')
  t.end()
})

t.test('what is shown of a rollout', (t) => {
  const text = shown(wholeLog(), 160).join('\n')
  for (const expected of [
    /^3 reports of 2 pods: 1 clean, 1 cut, 1 failed$/m, /^11 lines read, of these 1 not from the plugin$/m,
    /^ {2}shop-1 \(18\) +failed +5\.8 s +5 s +1 ms +800 ms +12 ms +0$/m,
    /^ {2}announcing +5 s +18 s +18 s +shop-7d9f\S+ +1$/m,
    /median 10\.5 s, 90 % 17\.8 s, longest 17\.8 s \(shop-7d9f\S+; none in 1 report$/m,
    /^late connections: 5 in 1 report; others were refused$/m, /^ {2}10\.0\.0\.7 +4 +1 report$/m,
    /^ {2}GET \/orders\/:id +×1 +1 report +5\.3 s +shop-7d9f/m, /^2 streams and 1 upgraded socket cut, which reconnect$/m,
    /^ {2}outbox 発送 +draining +1 report +5 s/m, /^ {2}hash \/app\/a\.js:7:3 +×1 +4\.3 s +shop-1 17$/m,
    /^advice: values to start with/m, /^ {2}announce\.min 19 s: GRACEFUL_ANNOUNCE_MIN_SECONDS=19, chart announce\.minSeconds: 19$/m
  ]) t.match(text, expected)
  const clean = shown([lineOf()], 80).join('\n')
  t.match(clean, /^1 report of 1 pod: 1 clean$/m)
  t.match(clean, /^advice: no time has to be changed$/m)
  t.notMatch(clean, /late|cut|waited|failed|blocked|warned|without/)
  t.end()
})

t.test('long lists are counted', (t) => {
  const lines = Array.from({ length: 30 }, (_, index) => lineOf({}, { hostname: `shop-${index}` }))
  t.match(shown(lines, 80, 20).join('\n'), /^ {2}and 10 more$/m)
  t.notMatch(shown(lines, 80, 100).join('\n'), /more/)
  t.end()
})

t.test('words in lines', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 4, max: 60 }), fc.nat(10), (given, width, indent) => {
    const text = given.replaceAll(/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]/gu, ' ')
    const lines = wrap(text, width, ' '.repeat(indent))
    t.ok(lines.every((line) => textWidth(line) <= width), JSON.stringify([text, width, lines]))
    t.equal(words(lines.join('')), words(text))
  }))
  t.same(wrap('one two three', 8, '  '), ['one two', '  three'])
  t.same(wrap('  abcdefghij', 6, '  '), ['  abcd', '  efgh', '  ij'])
  t.end()
})

t.test('a table that is too wide becomes a list', (t) => {
  const [head, row] = [['name', 'took', ''], ['shop-1', '5 s', '×2']]
  t.same(table(head, [row], 20), ['  name    took', '  shop-1  5 s   ×2'])
  t.same(table(head, [row], 17), ['  shop-1', '    took 5 s, ×2'])
  t.end()
})

t.test('how times are spread', (t) => {
  const samples = [5, 1, 4, 2].map((time) => ({ time, name: `shop-${time}` }))
  t.same(spreadOf(samples), { count: 4, least: 1, median: 3, most90: 5, longest: 5, longestOf: 'shop-5' })
  t.equal(spreadOf([]), undefined)
  t.same(bucketsOf([0, 999, 1000, 100_000]).map(({ count }) => count), [2, 1, 0, 0, 0, 0, 0, 0, 1])
  fc.assert(fc.property(fc.array(fc.nat(100_000), { minLength: 1 }), (times) => {
    const { least, median, most90, longest } = spreadOf(times.map((time) => ({ time, name: '' })))!
    t.ok(least <= median && median <= longest && least <= most90 && most90 <= longest)
    t.equal(bucketsOf(times).reduce((sum, { count }) => sum + count, 0), times.length)
    t.ok(times.filter((time) => time <= most90).length >= times.length * 0.9)
  }))
  t.end()
})

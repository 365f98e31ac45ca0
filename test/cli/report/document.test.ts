import * as fc from 'fast-check'
import t from 'tap'
import { JsonDocument, opensDocument } from '../../../lib/cli/report/document.ts'

/** What a document tells whose lines these are, and how it ends. */
function read (lines: string[], isOne = false): { values: unknown[], end: string | undefined, taken: number } {
  const values: unknown[] = []
  const document = new JsonDocument((value) => { values.push(value) }, isOne)
  for (const [index, line] of lines.entries()) {
    const progress = document.add(line)
    if (progress !== 'open') return { values, end: progress, taken: index + 1 }
  }
  return { values, end: undefined, taken: lines.length }
}

const printed = (value: unknown, indent = 4): string[] => JSON.stringify(value, null, indent).split('\n')

t.test('a value over many lines is that value, whatever is in it', (t) => {
  const nested = fc.oneof(fc.array(fc.jsonValue(), { minLength: 1 }), fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }))
  fc.assert(fc.property(nested, fc.integer({ min: 1, max: 8 }), (value, indent) => {
    const lines = printed(value, indent)
    t.same(read(lines, true), { values: [JSON.parse(JSON.stringify(value))], end: 'done', taken: lines.length })
  }))
  t.end()
})

t.test('entries of a list come one by one', (t) => {
  const entries = [{ message: 'a ] } "', list: [1, { x: [] }] }, { message: 'b' }]
  for (const [name, value] of Object.entries({
    CloudWatch: { searchedLogStreams: [], events: entries, nextToken: 'more' },
    'Google Cloud': entries,
    Loki: { status: 'success', data: { resultType: 'streams', result: entries, stats: { total: [1] } } },
    Elasticsearch: { took: 1, hits: { total: { value: 2 }, hits: entries } }
  })) t.same(read(printed(value)).values, entries, name)
  t.same(read(printed({ events: [] })).values, [], 'none')
  t.same(read(printed({ phases: entries })).values, [{ phases: entries }], 'a list of something else is part of the whole')
  t.end()
})

t.test('what is no document ends at once, and takes no line that is not its own', (t) => {
  t.same(read(['{"level":30,"msg":"cut off', '{"level":30}']), { values: [], end: 'broken', taken: 1 }, 'in a string')
  t.same(read(['{"level":30,"a":{"b":1', '{"level":30}']), { values: [], end: 'broken', taken: 2 }, 'the next line is one of JSON')
  t.same(read(['{', 'Server listening']), { values: [], end: 'broken', taken: 2 }, 'or of text')
  t.same(read(['[20:26:20.982] INFO: x']), { values: [], end: 'broken', taken: 1 })
  t.notOk(opensDocument('[20:26:20.982] INFO: {'))
  t.notOk(opensDocument('{"level":30,"msg":"whole"}'))
  for (const line of ['{', '[', '[{', '{ "events": [', '{"level":30,']) t.ok(opensDocument(line), line)
  t.end()
})

import * as fc from 'fast-check'
import t from 'tap'
import { LineSplitter } from '../../../lib/cli/report/lines.ts'

function linesOf (chunks: Buffer[], longest?: number): { lines: string[], tooLong: number } {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line), longest)
  for (const chunk of chunks) splitter.push(chunk)
  splitter.end()
  return { lines, tooLong: splitter.tooLong }
}

/** The bytes in pieces of these sizes, over and over. */
function cut (bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length]!
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

t.test('lines are the same however their bytes come, in the midst of a character, too', (t) => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n\uFEFF]|[\uD800-\uDFFF]/gu, ''))
  fc.assert(fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (given, sizes) => {
    const { lines, tooLong } = linesOf(cut(Buffer.from(given.map((text) => `${text}\n`).join('')), sizes))
    t.same(lines, given)
    t.equal(tooLong, 0)
  }))
  t.same(linesOf([Buffer.from('\uFEFFone\r\n\ntwo')]).lines, ['one', '', 'two'], 'of Windows, and a last one without an end')
  t.end()
})

t.test('a line that is too long is left out and counted, and what follows is read', (t) => {
  const bytes = Buffer.from(`short\n${'x'.repeat(101)}\n${'y'.repeat(100)}\n${'z'.repeat(500)}`)
  for (const size of [1, 7, 50, 1000]) {
    const { lines, tooLong } = linesOf(cut(bytes, [size]), 100)
    t.same(lines, ['short', 'y'.repeat(100)], `in pieces of ${size}`)
    t.equal(tooLong, 2)
  }
  t.end()
})

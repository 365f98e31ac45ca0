import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'

const demo = fileURLToPath(new URL('../../examples/demo/demo.js', import.meta.url))

// A demo, on two cores that may be busy with other tests.
t.setTimeout(300_000)

type Size = [columns: number, rows: number]

/**
 * Runs the demo in a pseudo-terminal of the first size, which becomes the next one after a few frames, and answers
 * what was written to it.
 */
async function run (
  t: Pick<Test, 'teardown'>,
  [first, ...others]: [Size, ...Size[]]
): Promise<{ code: number | null, output: string }> {
  // Without the test runner's loaders, so that replicas start as they do for a user.
  const clean = ['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'NO_COLOR', 'FORCE_COLOR'].map((name) => `-u ${name}`).join(' ')
  const child = spawn('script', [
    '-qec',
    `tty; stty cols ${first[0]} rows ${first[1]}; `
      // The first drill lasts until all sizes have been drawn.
      + `exec env ${clean} TERM=xterm '${process.execPath}' '${demo}' --replicas 2 --warm-up 15s`,
    '/dev/null'
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGTERM'))
  let output = ''
  let from = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    // The demo clears the screen when it has heard of a new size: on a busy machine frames of the one before come
    // in between.
    const cleared = from === 0 ? 0 : output.lastIndexOf('\u001b[2J')
    if (cleared < from || output.slice(cleared).split('\u001b[J').length < 6 || others.length === 0) return
    const [columns, rows] = others.shift()!
    execFileSync('stty', ['-F', /\/dev\/pts\/\d+/.exec(output)![0], 'cols', String(columns), 'rows', String(rows)])
    from = output.length
  })
  const [code] = await once(child, 'close') as [number | null]
  return { code, output }
}

/** The lines of all frames, without what colours them and moves the cursor. */
const linesOf = (output: string): string[] => output
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  .replaceAll(/\u001b\[[?\d;]*[a-zA-Z]/g, '').split(/\r?\n/).map((line) => line.replaceAll('\r', ''))

const failure = /\b[A-Z]\w*Error\b/

// One demo for all: a second one would take a minute on two busy processors, and draw the same.
const widths = [60, 80, 100, 130, 140, 160, 200]
const odd: Size[] = [[130, 30], [45, 20], [250, 60], [0, 0], [20, 5], [70, 2], [1, 1], [101, 24]]
const sizes = [...widths.map((columns): Size => [columns, 24]), ...odd] as [Size, ...Size[]]
const demonstrated = run(t, sizes)

t.test('the demo itself in terminals of 60 to 200 columns: one that is made wider while it is drawn', async (t) => {
  const { code, output } = await demonstrated
  t.equal(code, 0, 'exit code', { end: output.slice(-2000) })
  t.notMatch(output, failure)
  // The screen is cleared at each new size. Each bar is whole: the figures behind it end one column before the
  // terminal's right border.
  const screens = output.split('\u001b[2J').slice(0, widths.length).map(linesOf)
  const seen = screens.map((lines) => [
    ...new Set(lines.filter((line) => /^\d (?:old|new) {3}/.test(line)).map((line) => line.length + 2))
  ])
  t.same(seen, widths.map((columns) => [columns]), 'all rows of one terminal are as long')
  for (const part of [
    'Rolling update: examples/demo/plain.js behind a Service of Kubernetes',
    'Rolling update: examples/service/server.js behind a Service of Kubernetes',
    /^fastify-graceful: +0 of \d+ requests lost\r$/m
  ]) {
    t.match(output, part)
  }
  t.ok(output.lastIndexOf('\u001b[?25h') > output.lastIndexOf('\u001b[?25l'), 'the cursor is shown at the end')
})

t.test('the demo itself in a terminal that takes any size', async (t) => {
  const { output: whole } = await demonstrated
  const output = whole.split('\u001b[?25h')[0]!
  // What comes before the first frame is no part of it, nor is what was drawn while the size changed.
  const screens = output.split('\u001b[2J')
    .map((screen, index) => screen.split('\u001b[J').slice(index === 0 ? 1 : 0, -1)
      .map((frame) => linesOf(frame).filter((line) => line !== '')))
    // `stty` sets columns and rows one after the other, and a frame may come in between.
    .filter((frames) => frames.length > 2)
  t.equal(screens.length, sizes.length, 'drawn anew each time')
  for (const [index, frames] of screens.slice(0, -1).entries()) {
    const [columns, rows] = sizes[index]!
    const isWithin = (lines: string[]): boolean =>
      lines.length <= Math.max(1, (rows || 24) - 1) && lines.every((line) => line.length <= (columns || 80))
    t.ok(frames.every(isWithin), `within ${columns} x ${rows}`, { frames: frames.slice(0, 3) })
  }
})

import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { paint, Terminal } from '../../lib/cli/terminal.ts'
import { cleanEnv } from '../support/clean-env.ts'
import { Output } from '../support/output.ts'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const [hidden, shown] = ['\u001b[?25l\u001b[?7l', '\u001b[?7h\u001b[?25h']

t.test('each frame is drawn over the one before, anew at another size, and the last one can stay whole', (t) => {
  const output = new Output(40, 10)
  const terminal = new Terminal(output as never, {})
  terminal.close()
  t.equal(output.take(), '', 'nothing to give back')
  terminal.draw(({ columns, rows }) => [`${columns} x ${rows}`, 'second'])
  t.equal(output.take(), `${hidden}\r40 x 10\u001b[K\nsecond\u001b[K\n\u001b[J`)
  terminal.draw(({ columns, rows }) => Array.from({ length: 20 }, () => `${columns} x ${rows}`))
  t.equal(output.take(), `\u001b[2A\r${'40 x 10\u001b[K\n'.repeat(9)}\u001b[J`, 'no more lines than there are rows')
  Object.assign(output, { columns: 0, rows: 0 })
  output.emit('resize')
  t.equal(output.take(), `\u001b[2J\u001b[H\r${'80 x 24\u001b[K\n'.repeat(20)}\u001b[J`)
  terminal.close(['all of it'])
  t.equal(output.take(), '\u001b[20A\r\u001b[J\u001b[?7hall of it\n\u001b[?25h')
  t.equal(output.listenerCount('resize'), 0)
  terminal.draw(() => ['below'])
  t.equal(output.take(), `${hidden}\rbelow\u001b[K\n\u001b[J`)
  terminal.close()
  terminal.close()
  t.equal(output.take(), shown, 'given back once')
  t.end()
})

t.test('lines that a frame has no room for are counted', (t) => {
  const lines = ['one', 'two', 'three'].map((text) => ({ text }))
  t.same(paint(lines, { colours: false, height: 2 }), ['one', '… 2 more lines'])
  t.same(paint(lines, { colours: true, height: 3, width: 3 }), ['one', 'two', 'th…'])
  t.same(paint(lines, { colours: true, height: 0 }), ['\u001b[2m… 3 more lines\u001b[22m'])
  t.end()
})

const listeners = (): number =>
  ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'].reduce((sum, name) => sum + process.listenerCount(name), 0)

t.test('the cursor is given back at the exit, and a signal that somebody listens for is theirs', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'terminal-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const output = new Output(40, 10)
  output.fd = openSync(join(folder, 'terminal'), 'w')
  const before = listeners()
  const terminal = new Terminal(output as never, {})
  terminal.draw(() => [])
  t.equal(listeners(), before + 4)
  process.once('SIGHUP', () => {})
  process.emit('SIGHUP', 'SIGHUP')
  const written = (): string => readFileSync(join(folder, 'terminal'), 'utf8')
  t.equal(written(), '')
  const restore = process.listeners('exit').at(-1)!
  restore.call(process, 0)
  t.equal(written(), shown)
  closeSync(output.fd)
  t.doesNotThrow(() => restore.call(process, 0), 'a terminal that is gone')
  terminal.close()
  t.equal(listeners(), before)
  t.end()
})

interface Ending { code: number | null, output: string }

/** Runs the fixture in a pseudo-terminal of so many columns; what it shows is answered by typing or by a signal. */
async function run (
  t: Pick<Test, 'teardown'>, way: string, columns: number, end?: 'Ctrl-C' | NodeJS.Signals
): Promise<Ending> {
  const command = ['env', ...cleanEnv, 'TERM=xterm', process.execPath, `--import=${at('../support/strip-types.js')}`,
    at('fixtures/frames.ts'), way].map((part) => `'${part}'`).join(' ')
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 8; exec ${command}`, '/dev/null'], { stdio: 'pipe' })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  let hasEnded = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const pid = /pid (\d+)\./.exec(output)?.[1]
    if (end === undefined || hasEnded || pid === undefined || !output.endsWith('\u001b[J')) return
    hasEnded = true
    if (end === 'Ctrl-C') child.stdin.write('\u0003')
    else process.kill(Number(pid), end)
  })
  const code = await new Promise<number | null>((resolve) => { child.once('close', resolve) })
  return { code, output }
}

// Scenario (The rehearsal of an update): A terminal has its cursor back after a normal end, an exception, Ctrl-C and
// SIGTERM, also one of 20 columns
t.test('the cursor is back whatever ends the process', async (t) => {
  const cases: Array<[name: string, way: string, end: 'Ctrl-C' | NodeJS.Signals | undefined, code: number]> = [
    ['a normal end', 'close', undefined, 0],
    ['a normal end with its last frame', 'whole', undefined, 0],
    ['process.exit', 'exit', undefined, 3],
    ['an exception', 'throw', undefined, 1],
    ['Ctrl-C', 'wait', 'Ctrl-C', 130],
    ['SIGINT', 'wait', 'SIGINT', 130],
    ['SIGTERM', 'wait', 'SIGTERM', 143],
    ['SIGTERM, listened for', 'listen', 'SIGTERM', 5]
  ]
  for (const columns of [20, 80]) {
    for (const [name, way, end, expected] of cases) {
      const { code, output } = await run(t, way, columns, end)
      const title = `${name}, ${columns} columns`
      t.equal(code, expected, `${title}: exit code`, { output })
      t.match(output, new RegExp(`${columns} x 8, pid \\d+`), title)
      t.ok(output.lastIndexOf('\u001b[?25h') > output.lastIndexOf('\u001b[?25l'), `${title}: the cursor is shown`)
      t.ok(output.lastIndexOf('\u001b[?7h') > output.lastIndexOf('\u001b[?7l'), `${title}: lines wrap`)
    }
  }
})

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

interface Given {
  clock: 'sinon' | 'node:test' | 'spies'
  /** What is replaced. */
  toFake?: string[]
  when: 'import' | 'kept'
  ends: string[]
}

const fixture = fileURLToPath(new URL('fixtures/test-clock.js', import.meta.url))
/** Milliseconds after which a process hangs; on a machine that is busy a start alone takes seconds. */
const bound = 60_000

async function run (given: Given): Promise<string> {
  const child = spawn(
    'env',
    ['-u', 'NODE_OPTIONS', process.execPath, '--no-warnings', fixture, JSON.stringify(given)],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: bound, killSignal: 'SIGKILL' }
  )
  let output = ''
  child.stdout.on('data', (text: Buffer) => { output += String(text) })
  child.stderr.on('data', (text: Buffer) => { output += String(text) })
  return new Promise((resolve) => { child.once('close', (code, signal) => resolve(`${output}${signal ?? code}`)) })
}

// Without the plugin, Fastify gets nowhere where `process.nextTick` is replaced before the end, and does not boot
// without `queueMicrotask`: these are left out where it needs them itself.
const timers = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
  'hrtime'
]
const clocks: Array<[string, Pick<Given, 'clock' | 'toFake'>]> = [
  ['Sinon\'s timers, as vitest and Jest have them', { clock: 'sinon', toFake: timers }],
  ['Sinon\'s performance and hrtime alone', { clock: 'sinon', toFake: ['performance', 'hrtime'] }],
  ['Sinon\'s Date alone', { clock: 'sinon', toFake: ['Date'] }],
  ['Sinon\'s timeouts without the clocks', { clock: 'sinon', toFake: ['setTimeout', 'setInterval', 'setImmediate'] }],
  ['the timers of node:test', { clock: 'node:test', toFake: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] }],
  ['Sinon\'s timers and queueMicrotask', { clock: 'sinon', toFake: [...timers, 'queueMicrotask'] }],
  ['a performance.now and a Date.now that stand still', { clock: 'spies' }]
]

for (const [name, given] of clocks) {
  t.test(`an end comes to its end under ${name}`, async (t) => {
    // Fastify boots nothing without it.
    const whens = given.toFake?.includes('queueMicrotask') === true ? ['kept'] as const : ['import', 'kept'] as const
    const ends = whens.length === 1 ? ['held'] : ['close', 'close', 'shutdown', 'held']
    const outputs = await Promise.all(whens.map((when) => run({ ...given, when, ends })))
    const expected = { close: 'close: closed 0', shutdown: 'shutdown: clean 4', held: 'held: cut 4' }
    for (const [index, output] of outputs.entries()) {
      // What an application without a logger says of the request that was cut.
      const lines = output.replaceAll(/^fastify-graceful: .*\n/gm, '').replaceAll(/ \d+$/gm, '')
      t.strictSame(
        lines,
        [...ends.map((end) => expected[end as keyof typeof expected]), '0'].join('\n'),
        `installed before: ${whens[index]}`
      )
      t.ok(Number(/held: cut 4 (\d+)/.exec(output)?.[1]) > 1000, 'a request that never ends has its time')
    }
  })
}

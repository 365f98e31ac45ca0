import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readLines } from '../support/lines.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const fixture = fileURLToPath(new URL('fixtures/early-process.js', import.meta.url))
const preload = ['--import', new URL('../../dist/process/early.js', import.meta.url).href]
const env: NodeJS.ProcessEnv = { ...process.env, TERMINATION_GRACE_PERIOD_SECONDS: '30' }
/**
 * The test runner puts its loaders, and signal listeners with them, into the variable of whatever is spawned;
 * `env` takes it out and becomes the program.
 */
const clean = ['-u', 'NODE_OPTIONS', '-u', 'FASTIFY_GRACEFUL_SERVICE_PID']

/** What a process says that was started with the early module, by option or by variable. */
async function run (how: string, byVariable: boolean): Promise<string> {
  const command = byVariable ? [`NODE_OPTIONS=${preload.join(' ')}`, process.execPath] : [process.execPath, ...preload]
  const child = spawn('env', [...clean, ...command, fixture, 'service', how], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  let output = ''
  readLines(child.stdout, (text) => { output += text })
  await once(child, 'close')
  return output
}

// Who dies of the signal does so as without the module: at once.
const cases: Array<[string, RegExp]> = [
  ['fork', /^own 1, helper 0: null SIGTERM (\d+)\n$/],
  ['detached', /^own 1, helper 0: null SIGTERM (\d+)\n$/],
  ['spawn', /^own 1, helper 0: null SIGTERM (\d+)\n$/],
  ['shell', /^own 1, helper 0: null SIGTERM (\d+)\n$/],
  ['service', /^own 1, helper 0 serves: 0 null (\d+)\n$/],
  ['cluster', /^own 1, helper 1: 0 null (\d+)\n$/],
  ['thread', /^thread 0\nown 1\n$/]
]

for (const [how, expected] of cases) {
  t.test(`the early module acts in the service's own process: ${how}`, async (t) => {
    const outputs = await Promise.all([run(how, false), run(how, true)])
    for (const output of outputs) {
      t.match(output, expected)
      t.notMatch(output, / \d{5,}\n$/, 'within seconds')
    }
  })
}

t.test('where nothing registers the plugin, the early module does not hold a process for long', async (t) => {
  const child = spawn('env', [...clean, process.execPath, ...preload, fixture, 'lone'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  const [line] = await once(child.stdout, 'data') as [Buffer]
  t.equal(String(line), 'lone 1\n')
  const watch = new Stopwatch(child.pid)
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [143, null])
  inTime(t, watch.stop(), [0, 15_000])
})

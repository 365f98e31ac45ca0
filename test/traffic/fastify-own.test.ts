// Fastify's own tests of closing and listening, as its package brings them, with the plugin in each application.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { Stopwatch, unlessLate } from '../support/stopwatch.ts'

t.jobs = 2
t.setTimeout(240_000)

const run = promisify(execFile)
const preload = fileURLToPath(new URL('fixtures/fastify-own.cjs', import.meta.url))
const require = createRequire(import.meta.url)
const folder = require.resolve('fastify').replace(/fastify\.js$/, 'test/')

const noRefusal = 'what comes before the listener is closed is served, not refused with 503'
/** Tests that fail by intent, and why. All others pass. */
const different: Record<string, Record<string, string>> = {
  'close.test.js': {
    'Should return error while closing (promise) - injection': 'what is injected right after close() is served',
    'Current opened connection should not accept new incoming connections':
      'the listener is closed at once, so a new connection is refused by the kernel',
    'rejected incoming connections should be logged': 'the same'
  },
  'close-pipelining.test.js': {
    'Should return 503 while closing - pipelining': noRefusal,
    'Should close the socket abruptly - pipelining - return503OnClosing: false': noRefusal
  },
  'http2/closing.test.js': {
    'http/2 request while fastify closing Node <24': noRefusal,
    'http/2 sessions should be closed when setting forceClosedConnections to true':
      'the same, for a stream that comes right after close()'
  },
  'listen.4.test.js': {
    'listen logs the port as info': 'the plugin has logged a line before'
  }
}
const files = [
  'close.test.js', 'close-pipelining.test.js', 'close-disposable.test.js', 'async-dispose.test.js',
  'http2/closing.test.js', 'hooks.on-listen.test.js', 'keep-alive-timeout.test.js', 'listen.1.test.js',
  'listen.2.test.js', 'listen.3.test.js', 'listen.4.test.js', 'listen.5.test.js', 'custom-http-server.test.js'
]

interface Outcome { output: string, tests: number, pass: number, failed: number }

async function outcome (
  file: string,
  given: NodeJS.ProcessEnv,
  flags: readonly string[] = [],
  { timeout = 60_000, watch }: { timeout?: number, watch?: Stopwatch } = {}
): Promise<Outcome> {
  // The test runner puts its loaders into whatever is spawned, after we have let go of it.
  const running = run(
    'env',
    [
      '-u', 'NODE_OPTIONS', '-u', 'NODE_TEST_CONTEXT', process.execPath, '--require', preload, ...flags,
      '--test-reporter=tap', folder + file
    ],
    { cwd: folder, env: { ...process.env, ...given }, timeout }
  )
  if (running.child.pid !== undefined) watch?.follow(running.child.pid)
  const { stdout } = await running.catch((error: { stdout: string }) => error)
  // One that never settles has no summary.
  const count = (name: string): number => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(stdout)?.[1] ?? 1)
  return { output: stdout, tests: count('tests'), pass: count('pass'), failed: count('fail') + count('cancelled') }
}

const exactly = (name: string): string =>
  `--test-name-pattern=^${name.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)}$`

for (const file of files) {
  // Scenario (Several applications and other packages): Fastify's own test files of closing, disposing, HTTP/2 closing
  // and listening, with the plugin in each application
  t.test(`Fastify has test/${file}`, async (t) => {
    const bare = await outcome(file, { PLUGIN: 'none' })
    // Some are for other versions of Node.
    const leftOut = Object.keys(different[file] ?? {}).filter((name) => !bare.output.includes(`- ${name} # SKIP`))
    const ours = await outcome(file, { LEFT_OUT: JSON.stringify(leftOut) })
    t.ok(bare.pass > 0 && bare.failed === 0, `without the plugin ${bare.pass} pass`)
    t.equal(ours.failed, 0, 'none fails with it', { output: ours.failed > 0 ? ours.output : '' })
    t.equal(ours.tests, bare.tests)
    t.equal(ours.pass, bare.pass - leftOut.length, 'all but those that differ by intent')
    for (const name of leftOut) {
      const watch = new Stopwatch()
      const alone = await outcome(file, {}, [exactly(name)], { timeout: 6000, watch })
      // Fastify's own timers of 100 ms end the sessions of a process that gets no processor.
      unlessLate(t, alone.failed > 0, `${name}: ${different[file]![name]}`, watch.stop().late, 50)
    }
  })
}

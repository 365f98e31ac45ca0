import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const fixture = fileURLToPath(new URL('fixtures/standard-output.js', import.meta.url))

// A stream of a pipe lets each `writeSync` to it fail that would have waited: whoever needs none must not get one
// from us. Standard error is left out: Node makes its stream for `node:assert`, which Fastify loads.
for (const loaded of [
  ['fastify-graceful'],
  ['fastify-graceful/supervisor'],
  ['fastify-graceful/signals'],
  ['fastify-graceful', 'application'],
  ['fastify-graceful', 'application', 'watchdog']
]) {
  t.test(`the pipe of standard output stays as it is: ${loaded.join(', ')}`, {
    skip: process.platform !== 'linux' && 'no /proc here'
  }, async (t) => {
    // A pipe of the shell's, for those of `spawn` are sockets, and no more than the program: what the test runner
    // loads makes the streams.
    const child = spawn('sh', ['-c', 'env -u NODE_OPTIONS "$@" | cat', 'sh', process.execPath, fixture, ...loaded], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], NODE_ENV: 'production' }
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    t.equal(output, 'true')
  })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const demo = fileURLToPath(new URL('../../examples/demo/demo.js', import.meta.url))

// Far more than it takes on two busy cores.
t.setTimeout(300_000)

t.test('the demo loses nothing with the plugin, and something without', async (t) => {
  // Without the test runner's loaders, so that replicas start as they do for a user.
  const child = spawn(process.execPath, [demo], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGTERM'))
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  t.equal(code, 0, 'exit code', { output, errors })

  const ours = /^fastify-graceful: +0 of (\d+) requests lost$/m.exec(output)
  t.ok(ours, 'none lost with the plugin')
  t.ok(Number(ours?.[1]) > 500, 'enough requests for that to mean something')

  const plain = /^plain app\.close\(\): (\d+) of \d+ requests lost$/m.exec(output)
  t.ok(Number(plain?.[1]) > 0, 'plain close loses some under the same load')

  for (const name of ['1 v1', '2 v1', '3 v1']) {
    t.match(output, new RegExp(`replica ${name}  announcing`), `${name} announces`)
    t.match(output, new RegExp(`replica ${name}  terminated, exit 0`), `${name} ends in order`)
  }
  t.match(
    output,
    /^Three replicas.*\n  announce\.min 2500 ms .*\n  drain\.idle 5000 ms .*\n  grace period 15000 ms /,
    'says first what it runs with'
  )
  t.notMatch(output, '\x1b', 'no control codes where there is no terminal')
})

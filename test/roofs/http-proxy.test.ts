import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { start } from './support/service.ts'
import { keepTalking, openSocket } from './support/talk.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

// Scenario (Foreign parties): A gateway, for HTTP and WebSockets
t.test('a gateway of @fastify/http-proxy and @fastify/reply-from: requests and WebSockets through it', async (t) => {
  const folder = await install('http-proxy')
  for (const name of ['@fastify/http-proxy', '@fastify/reply-from']) t.comment(`${name} ${versionOf(folder, name)}`)
  const upstream = await start({ folder, command: ['node', 'upstream.js'] })
  t.teardown(() => upstream.kill('SIGKILL'))
  const outcome = await update({
    service: () => ({
      folder,
      command: ['node', 'gateway.js'],
      env: { UPSTREAM: `http://127.0.0.1:${upstream.port}` }
    }),
    longLived: (port) => keepTalking(6, () => openSocket(`ws://127.0.0.1:${port}/socket`))
  })
  lostNothing(t, outcome)
  t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
  t.equal(outcome.report?.cut.upgraded, 0)
})

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { early, fork } from './fork.ts'

t.jobs = 4
t.setTimeout(240_000)

// Scenario (Boot): A signal in a plugin, in onReady, before and while it listens, in onListen; by callback and promise
// (exiting)
t.test('a signal during boot', async (t) => {
  for (const at of ['plugin', 'onReady', 'listen', 'listening', 'onListen']) {
    for (const callback of [false, true]) {
      for (const host of ['127.0.0.1', 'localhost']) {
        const what = `${at}, ${callback ? 'callback' : 'promise'}, ${host}`
        const app = fork('boot.js', { given: { at, callback, host, fastify: { logger: { level: 'fatal' } } } })
        const [code, signal, output] = await app.result
        t.strictSame([code, signal], [0, null], `${what}: ${output}`)
        t.match(output, /^onClose$/m, what)
        if (at === 'plugin' || at === 'onReady') t.notMatch(output, /LISTENS/, what)
        t.notMatch(output, /listen rejected|Error/, what)
      }
    }
  }
})

// Scenario (Boot): A signal before the application exists
t.test('before the application, remembered by the early module', async (t) => {
  const booted = fork('early.js', { node: early, given: { when: 'before', app: true } })
  const [code, signal, output] = await booted.result
  t.strictSame([code, signal], [0, null], output)
  t.match(output, /^onClose$/m)
  const without = fork('early.js', { given: { when: 'before', app: true } })
  t.match(await without.result, [null, 'SIGTERM'], 'without it, Node dies')
})

// Scenario (Boot): Several signals before the application exists: one that it ignores takes no other one's place
t.test('several signals before the application', async (t) => {
  const ignoring = { when: 'before', app: true, options: { signals: { SIGHUP: 'ignore' } } }
  const app = fork('early.js', { node: early, given: { ...ignoring, signals: ['SIGHUP', 'SIGTERM'] } })
  await app.waitForLine(/^(?:not )?listening/m)
  t.match(app.output(), /^not listening$/m, 'SIGTERM is not forgotten')
  app.kill('SIGKILL')
  const both = fork('early.js', { node: early, given: { ...ignoring, signals: ['SIGTERM', 'SIGINT'] } })
  t.match(await both.result, [0, null, /SIGINT while shutting down: every phase is capped at 1 s/])
})

t.test('the early module alone', async (t) => {
  const ends = fork('early.js', { node: early, given: { when: 'before' } })
  t.match(await ends.result, [0, null], 'a program that ends by itself must end')

  const hangs = fork('early.js', { node: early, given: { stay: true }, env: { TERMINATION_GRACE_PERIOD_SECONDS: '1' } })
  await hangs.waitForLine(/^ready$/m)
  const watch = new Stopwatch(hangs.child.pid)
  hangs.kill('SIGINT')
  const [code, , output] = await hangs.result
  watch.stop()
  t.equal(code, 130, output)
  // On two pipes, of which either may be read first.
  t.match(output, /SIGINT came 900 ms ago and no application has registered, exiting with code 130/)
  t.match(output, /exit listener 130/)
  inTime(t, watch, [850, 6000])

  const twice = fork('early.js', { node: early, given: { stay: true } })
  await twice.waitForLine(/^ready$/m)
  twice.kill('SIGTERM')
  await sleep(30)
  twice.kill('SIGTERM')
  // A second after it has heard of the first one, which it does not tell.
  await sleep(1500)
  t.equal(twice.child.exitCode, null, 'a duplicate')
  twice.kill('SIGTERM')
  t.match(await twice.result, [143, null])
})

t.test('the early module beside applications', async (t) => {
  const normal = fork('early.js', { node: [...early, ...early], given: { app: true } })
  await normal.waitForLine(/^ready$/m)
  normal.kill('SIGTERM')
  t.match(await normal.result, [0, null, /terminated\nonClose/])

  const nobody = fork('early.js', { node: early, given: { app: true, options: { signals: { SIGHUP: false } } } })
  await nobody.waitForLine(/^ready$/m)
  nobody.kill('SIGHUP')
  t.match(await nobody.result, [129, null, /no application acts on it/])

  const gone = fork(
    'early.js',
    { node: early, given: { app: true, when: 'after', stay: true }, env: { TERMINATION_GRACE_PERIOD_SECONDS: '1' } }
  )
  await gone.waitForLine(/^ready$/m)
  gone.kill('SIGTERM')
  t.match(await gone.result, [143, null], 'remembered again once the last application is closed')
})

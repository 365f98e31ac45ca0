import t from 'tap'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { fork, listening } from './fork.ts'

t.jobs = 4
t.setTimeout(240_000)

// Scenario (Signals and exit): An uncaught exception or an unhandled rejection: others in flight are served, the code
// is 1 (close-with-grace, exiting)
t.test('a crash lets other requests finish', async (t) => {
  for (const [route, origin] of [['crash', 'uncaughtException'], ['reject', 'unhandledRejection']] as const) {
    const app = fork('crash.js', { given: { own: origin, fastify: { logger: true } } })
    const url = await listening(app)
    const held = fetch(`${url}/held`)
    await app.waitForLine(/held begins/)
    await fetch(`${url}/${route}`)
    t.equal(await (await held).text(), 'held')
    const [code, signal, output] = await app.result
    t.strictSame([code, signal], [1, null], output)
    t.match(output, new RegExp(`"level":60.*boom.*${origin}: boom, shutting down`))
    t.match(output, /own listener: boom/)
    t.match(output, /draining[^]*held ends[^]*onClose/)
  }
})

// Scenario (Signals and exit): Crashes are left to Node
t.test("'crash: false' leaves crashes to Node", async (t) => {
  const app = fork('crash.js', { given: { options: { crash: false } } })
  const url = await listening(app)
  await fetch(`${url}/crash`)
  const [code, , output] = await app.result
  t.equal(code, 1)
  t.notMatch(output, /onClose/)
})

// Scenario (Signals and exit): A crash while the service ends (close-with-grace, exiting)
t.test('a crash during a shutdown makes its code 1, and is told where the application logs nothing, too', async (t) => {
  for (const logger of [{ level: 'fatal' }, { level: 'silent' }, false]) {
    const app = fork('crash.js', { given: { draining: true, fastify: { logger } } })
    const url = await listening(app)
    const held = fetch(`${url}/held`)
    await app.waitForLine(/held begins/)
    app.kill('SIGTERM')
    t.equal(await (await held).text(), 'held')
    const [code, signal, output] = await app.result
    t.strictSame([code, signal], [1, null], output)
    // Told on standard error, in part; which of two pipes is read first is chance.
    t.match(output, /uncaughtException: boom, during the shutdown/)
    t.match(output, /held ends[^]*onClose/)
    t.equal(output.match(/Error: boom(\n|\\n) +at /g)?.length, 1, 'with its stack, once')
  }
})

// Scenario (Signals and exit): A fault of the process while it ends, with a listener for such faults
t.test('a fault while the process ends does end it, whoever listens for faults', async (t) => {
  const listener = 'process.on("SIGSEGV", () => {})'
  const fault = 'process.on("exit", () => process.kill(process.pid, "SIGSEGV"))'
  for (const other of ['', 'process.on("SIGTERM", () => process.exit(0))']) {
    const app = fork('app.js', { node: ['--import', `data:text/javascript,${listener};${fault};${other}`] })
    await listening(app)
    app.kill('SIGTERM')
    const [code, signal, output] = await app.result
    t.same([code, signal], [null, 'SIGSEGV'], output)
  }
})

// Scenario (Signals and exit): An onClose hook throws synchronously, rejects, or never settles (fastify-traps, exiting)
t.test('onClose hooks that misbehave', async (t) => {
  for (const how of ['throw', 'reject', 'hang']) {
    for (const way of ['SIGTERM', 'SIGHUP', 'close']) {
      const app = fork('close-hooks.js', {
        given: {
          how,
          after: way === 'close',
          options: how === 'hang' ? { gracePeriod: 2500 } : { close: 1200 },
          fastify: { logger: { level: 'fatal' } }
        }
      })
      const url = await listening(app)
      const watch = new Stopwatch(app.child.pid)
      if (way === 'close') await fetch(`${url}/close`)
      else app.kill(way as NodeJS.Signals)
      if (way === 'close' && how !== 'throw') {
        // A plain close never ends the process; what is left to see is that the promise answers as Fastify's does.
        if (how === 'reject') await app.waitForLine(/close rejected rejected/)
        else await app.waitForLine(/bad hook/)
        app.kill('SIGKILL')
        await app.result
        continue
      }
      const [code, signal, output] = await app.result
      t.strictSame([code, signal], [1, null], `${how} ${way}: ${output}`)
      inTime(t, watch.stop(), [0, 3000], `${how} ${way}:`)
    }
  }
})

// Scenario (Several applications and other packages): Somebody else closes at the same signal, close-with-grace for one
t.test('somebody else answers the same signal', async (t) => {
  for (const who of ['homemade', 'grace']) {
    for (const [first, otherListeners, level] of [
      [false, 'after', 30],
      [true, 'after', 30],
      [false, 'beside', 40],
      [true, 'beside', 40]
    ] as const) {
      const app = fork('foreign.js', { given: { who, first, options: { otherListeners }, fastify: { logger: true } } })
      const url = await listening(app)
      await app.waitForLine(
        new RegExp(`"level":${level}.*somebody else listens for the signals.*SIGTERM: (?:anonymous|onSignal)`)
      )
      const held = fetch(`${url}/held`)
      await app.waitForLine(/held begins/)
      app.kill('SIGTERM')
      t.equal(await (await held).text(), 'held', `${who} ${first} ${otherListeners}`)
      const [code, signal, output] = await app.result
      t.strictSame([code, signal], [0, null], output)
      t.match(
        output,
        /announcing[^]*closing[^]*draining[^]*held ends[^]*terminated[^]*onClose[^]*their close is over/,
        'joined'
      )
      t.notMatch(output, /in the midst of its shutdown/)
    }
  }
})

// Scenario (Signals and exit): Somebody exits in the midst of the end (exiting)
t.test('what cannot be joined is named', async (t) => {
  const app = fork('foreign.js', {
    given: { who: 'exit', options: { otherListeners: 'beside' }, fastify: { logger: { level: 'warn' } } }
  })
  const url = await listening(app)
  await app.waitForLine(/SIGTERM: impatient/)
  const slow = fetch(`${url}/slow?ms=2000`).catch((error: Error) => error.message)
  await app.waitForLine(/slow begins/)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  t.strictSame([code, signal], [7, null])
  t.match(output, /"level":50.*exits with code 7 in the midst of its shutdown \(phase 'draining' of application 1\)/)
  t.equal(await slow, 'fetch failed')
})

// Scenario (Signals and exit): A pending top-level await
t.test('a pending top-level await', async (t) => {
  const app = fork('app.js', { given: { pending: true } })
  await listening(app)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  t.strictSame([code, signal], [0, null], output)
  t.notMatch(output, /never/)
})

// Scenario (Signals and exit): A shutdown from code, with an exit code (close-with-grace, exiting)
t.test('the exit code somebody asks for', async (t) => {
  const app = fork('app.js', { given: { exitCode: 42 } })
  await fetch(`${await listening(app)}/shutdown`)
  t.match(await app.result, [42, null])
})

t.test('what would have kept the process is named', async (t) => {
  const app = fork('close-hooks.js', { given: { how: 'reject', after: true, fastify: { logger: { level: 'debug' } } } })
  await listening(app)
  app.kill('SIGTERM')
  const [, , output] = await app.result
  t.match(output, /"level":20.*"handles":\[[^\]]*Timeout[^\]]*\].*would have kept the process/)
})

// Scenario (Signals and exit): Nobody reads standard output any more
t.test('closed standard output', async (t) => {
  for (const [plain, code] of [[false, 0], [true, 1]] as const) {
    const app = fork('closed-output.js', { given: { plain } })
    const url = await listening(app)
    app.child.stdout?.destroy()
    await new Promise((resolve) => { app.child.stdout?.once('close', resolve) })
    await fetch(`${url}/log`)
    app.kill('SIGTERM')
    const [exitCode, signal, output] = await app.result
    // EPIPE as an uncaught error of process.stdout is a crash, as it is without us; pino's own destination swallows it.
    t.strictSame([exitCode, signal], [code, null], output)
  }
})

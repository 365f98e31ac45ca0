import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, createReadStream, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { fork, listening } from '../process/fork.ts'
import type { Fork, ForkOptions } from '../process/fork.ts'
import { inTime, Stopwatch, unlessLate } from '../support/stopwatch.ts'
import { eventOf, eventsOf, hanging, watched } from './support.ts'

t.jobs = 2
t.setTimeout(120_000)

const gracePeriod = 2500
const watchdog = { enabled: true, blocked: 600 }
/** From a signal to the end of what hangs. */
const allowed = [0, gracePeriod + 1000] as const
/** A pause in a main thread that is given no processor for so long comes too late, and nothing waits for it. */
const longestPause = 100
const root = fileURLToPath(new URL('../..', import.meta.url))

/** A line names what hangs; one that says that there was no pause in time is right on a machine that was late. */
function isNamed (t: Test, line: string, late: number): boolean {
  if (!line.includes('could not be paused in time')) return t.match(line, /, in spinForEver \(/)
  return unlessLate(t, false, 'it is paused in time, and named', late, longestPause)
}

/** Hangs, is told to end, and ends as it has to. */
async function endsInTime (
  t: Test,
  node: string[],
  given: object = {},
  more: ForkOptions = {}
): Promise<{ output: string, late: number }> {
  const app = hanging({ way: 'loop', options: { gracePeriod, watchdog }, ...given }, { ...more, node })
  const { url } = await watched(app)
  fetch(`${url}/hang`).catch(() => {})
  await app.waitForLine(/hanging/)
  await sleep(50)
  const watch = new Stopwatch(app.child.pid)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  inTime(t, watch.stop(), allowed)
  t.equal(eventsOf(output, 'graceful.killed').length, 1, `${code} ${signal} ${output}`)
  return { output, late: watch.late }
}

// Scenario (Signals and exit): The watchdog's thread runs and says nothing
t.test('a boot waits three seconds for a thread that says nothing, and goes on', async (t) => {
  const app = fork(fileURLToPath(new URL('fixtures/silent-thread.js', import.meta.url)))
  const watch = new Stopwatch(app.child.pid)
  await app.waitForLine(/^booted in/m)
  const [, waited, state] = /^booted in (\d+) ms, (\w+)$/m.exec(app.output())!
  inTime(t, { time: Number(waited), late: watch.stop().late }, [3000, 4500], 'booted in')
  t.equal(state, 'starting')
  const words = /not up within 3000 ms, and the boot goes on: until it is, nothing ends this process/
  // It is said on another stream.
  await app.waitForLine(words)
  t.match(eventsOf(app.output(), 'graceful.watchdog').map(({ msg }) => msg), [words])
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null])
})

// Scenario (Signals and exit): The event loop hangs
t.test('a hang that begins as soon as it listens', async (t) => {
  const end = async (given: object, delay?: number): Promise<void> => {
    const app = hanging({ way: 'loop', phase: 'listening', options: { gracePeriod, watchdog }, ...given })
    await app.waitForLine(/hanging/)
    const watch = new Stopwatch(app.child.pid)
    if (delay !== undefined) {
      await sleep(delay)
      app.kill('SIGTERM')
    }
    const [code, signal, output] = await app.result
    const { late } = watch.stop()
    t.strictSame([code, signal], [1, null], output)
    inTime(t, watch, allowed)
    const [killed, blocked] = ['graceful.killed', 'graceful.blocked'].map((event) => eventsOf(output, event))
    t.same([killed?.length, blocked?.length], [1, 1], 'boot is over, so it is a blocked event loop')
    t.equal(killed?.[0]?.['reason'], 'SIGTERM')
    for (const line of [killed?.[0], blocked?.[0]]) isNamed(t, line?.msg ?? '', late)
  }
  await Promise.all([end({}, 0), end({ signal: 'SIGTERM' })])
  await end({}, 20)
})

t.test('an open inspector', async (t) => {
  const { output, late } = await endsInTime(t, ['--inspect=127.0.0.1:0'])
  // Connected only for the kill, which does not wait for a machine that is late.
  if (!isNamed(t, eventsOf(output, 'graceful.killed')[0]?.msg ?? '', late)) return
  t.match(output, /exit listener 1/)
})

/** What makes a process PID 1 of a namespace of its own; undefined where that is not permitted. */
const alone = [['--pid'], ['--user', '--map-root-user', '--pid']]
  .map((flags) => ['unshare', ...flags, '--fork', '--mount-proc', '--kill-child'])
  .find(([program = '', ...flags]) => spawnSync('env', ['-u', 'NODE_OPTIONS', program, ...flags, 'true']).status === 0)

t.test('as PID 1', {
  skip: alone === undefined && 'no namespace may be made here, so nothing can be PID 1'
}, async (t) => {
  const end = async (way: string): Promise<{ watch: Stopwatch, code: number | null, output: string }> => {
    const app = hanging({ way, ms: 4000, options: { gracePeriod, watchdog } }, { under: alone! })
    const { url } = await watched(app)
    t.equal(
      eventsOf(app.output(), 'graceful.watchdog').filter(({ msg }) => msg.includes('this process is PID 1')).length,
      1,
      'said at boot'
    )
    fetch(`${url}/hang`).catch(() => {})
    await app.waitForLine(/hanging/)
    const inside = Number(readFileSync(`/proc/${app.child.pid}/task/${app.child.pid}/children`, 'utf8'))
    const watch = new Stopwatch(inside)
    process.kill(inside, 'SIGTERM')
    const [code, , output] = await app.result
    return { watch: watch.stop(), code, output }
  }
  const looping = await end('loop')
  t.equal(looping.code, 1, looping.output)
  inTime(t, looping.watch, allowed)
  t.match(eventsOf(looping.output, 'graceful.killed'), [{ pid: 1, blockedIn: /^spinForEver/ }])
  t.match(looping.output, /exit listener 1/)

  const native = await end('sleep')
  t.match(eventsOf(native.output, 'graceful.killed'), [{ pid: 1, native: true }], 'told in time')
  t.ok(native.watch.time > 3500 - native.watch.late, 'SIGKILL from inside does not end it')
  t.equal(native.code, 1, 'but the return from native code does, if the kubelet has not')
  t.notMatch(native.output, /free/, 'at once')
})

t.test("a person's breakpoint is no block", async (t) => {
  // Longer than a busy machine keeps a process waiting, which is a block.
  const app =
    hanging({ options: { gracePeriod, watchdog: { enabled: true, blocked: 1500 } } }, { node: ['--inspect=127.0.0.1:0'] })
  const [, address = ''] = await app.waitForLine(/Debugger listening on (ws:\S+)/)
  const { url } = await watched(app)
  const debug = new WebSocket(address)
  await once(debug, 'open')
  const paused = new Promise<void>((resolve) => {
    debug.on('message', (data) => { if ((data as Buffer).toString().includes('Debugger.paused')) resolve() })
  })
  for (const [id, method] of ['Runtime.enable', 'Debugger.enable', 'Debugger.pause'].entries()) {
    debug.send(JSON.stringify({ id, method }))
  }
  await paused
  await sleep(2500)
  t.equal(debug.readyState, WebSocket.OPEN)
  let answered = false
  const answer = fetch(url).then((response) => { answered = response.ok })
  await sleep(300)
  t.equal(answered, false, 'still held')
  debug.send(JSON.stringify({ id: 9, method: 'Debugger.resume' }))
  await answer
  debug.terminate()
  app.kill('SIGTERM')
  const [code, , output] = await app.result
  t.equal(code, 0, output)
  t.notMatch(output, /graceful\.(?:blocked|killed|unblocked)/)
})

t.test('the permission model', async (t) => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const common = [flag, '--allow-fs-read=*', '--allow-fs-write=*', '--allow-net'].filter((name) =>
    name.startsWith(flag) || name.startsWith('--allow-fs') || process.allowedNodeEnvironmentFlags.has(name))
  const { output } = await endsInTime(t, [...common, '--allow-worker'])
  t.match(output, /cannot be named without the inspector/, 'which is not tried: it would abort the process')

  const app = hanging({ options: { gracePeriod, watchdog } }, { node: common })
  const url = await listening(app)
  t.equal(await (await fetch(url)).text(), 'ok', 'and without a thread the service serves')
  app.kill('SIGTERM')
  const [code, , whole] = await app.result
  t.equal(code, 0, whole)
  t.equal(eventsOf(whole, 'graceful.watchdog').filter(({ level }) => level === 50).length, 1, 'told once')
  t.match(whole, /the watchdog cannot be started/)
})

/** A program's line that says where it runs. */
const say = (what: string): string => `writeSync(1, \`${what} in \${threadId} \${isMainThread}\\n\`)`

t.test('loaders stay out of the thread', async (t) => {
  const folder = t.testdir({
    'import.mjs': "import { writeSync } from 'node:fs'; import { isMainThread, threadId } from 'node:worker_threads'; "
      + say('import'),
    'require.cjs': "const { writeSync } = require('node:fs'); "
      + `const { isMainThread, threadId } = require('node:worker_threads'); ${say('require')}`,
    'register.mjs': "import { register } from 'node:module'; register('./hooks.mjs', import.meta.url)",
    'hooks.mjs': "import { writeSync } from 'node:fs'; export async function resolve (name, context, next) { "
      + 'writeSync(1, `resolve for ${context.parentURL}\\n`); return next(name, context) }'
  })
  const options = `NODE_OPTIONS=--import ${folder}/import.mjs --require ${folder}/require.cjs `
    + `--import ${folder}/register.mjs --stack-trace-limit=5 --enable-source-maps`
  const { output } = await endsInTime(t, ['--import', `${folder}/import.mjs`], {}, { under: ['env', options] })
  t.match(output, /"blockedIn":"spinForEver/)
  t.strictSame(output.match(/import in .*/g), ['import in 0 true'])
  t.match(output, 'require in 0 true')
  t.match(output, /resolve for file:.*\/dist\/index\.js/, 'hooks see what the application loads')
  t.notMatch(output, /resolve for .*watchdog\/thread/, 'and nothing of the thread')
})

t.test('node:cluster', async (t) => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  const app = fork('../../watchdog/fixtures/cluster.js', {
    given: { unbound: true, options: { gracePeriod, watchdog: { ...watchdog, port, host: '127.0.0.1' } } }
  })
  await app.waitForLine(/^listening \d+\n[^]*^listening \d+\n/m)
  await app.waitForLine(/cannot listen on 127\.0\.0\.1:\d+, and tries again/)
  t.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200)
  app.kill('SIGTERM')
  const [, , output] = await app.result
  t.equal(output.match(/worker ended 0 null/g)?.length, 2, output)
  t.equal(output.match(/cannot listen on/g)?.length, 1)
})

t.test("'exit: false': nothing is ever ended", async (t) => {
  const app = hanging({
    way: 'short',
    ms: 3000,
    phase: 'announcing',
    stay: true,
    options: { gracePeriod: 1500, exit: false, watchdog }
  })
  await watched(app)
  app.kill('SIGTERM')
  await app.waitForLine(/free/)
  await eventOf(app, 'graceful.report')
  t.notMatch(app.output(), /graceful\.killed/)
  app.kill('SIGKILL')
  await app.result
})

t.test('a watchdog that dies is reported, and comes back with a pause that grows', async (t) => {
  const app = hanging({ way: 'loop', options: { gracePeriod, watchdog: { enabled: true } } })
  const { url } = await watched(app)
  for (const again of ['is started again$', 'is started again in 1 s$', 'is started again in 2 s$']) {
    await fetch(`${url}/terminate`)
    await app.waitForLine(
      new RegExp(`the watchdog has died \\(its thread has ended\\), and ${again.replace('$', '"')}`)
    )
    for (let state = ''; state !== 'watching'; await sleep(20)) {
      state = ((await (await fetch(`${url}/status`)).json()) as { watchdog: { state: string } }).watchdog.state
    }
  }
  t.equal(await (await fetch(url)).text(), 'ok', 'the service serves')
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null])
})

t.test('one watchdog for two applications and two copies of the package', async (t) => {
  const folder = t.testdir({})
  cpSync(`${root}/dist`, `${folder}/dist`, { recursive: true })
  cpSync(`${root}/package.json`, `${folder}/package.json`)
  symlinkSync(`${root}/node_modules`, `${folder}/node_modules`)
  const given = { copy: `${folder}/dist/index.js`, options: { gracePeriod, watchdog } }
  const app = fork('../../watchdog/fixtures/several.js', { given })
  await app.waitForLine(/hanging/)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  t.strictSame([code, signal], [1, null], output)
  t.match(output, /^workers 1$/m)
  t.equal(eventsOf(output, 'graceful.killed').length, 1)
  t.match(eventsOf(output, 'graceful.killed'), [{ applications: [{ phase: 'running' }, { phase: 'running' }] }])

  const [end, , said] = await fork('../../watchdog/fixtures/several.js', { given: { ...given, close: true } }).result
  t.equal(end, 0, said)
  t.match(
    said,
    /workers 1\n[^]*listeners 1, workers 1\n[^]*ended, 0 listeners/,
    'it goes with the last one, and takes its signal listeners along'
  )
})

t.test('an exit listener that hangs', async (t) => {
  const app = hanging({ way: 'loop', phase: 'exit', options: { gracePeriod, watchdog } })
  await watched(app)
  const watch = new Stopwatch(app.child.pid)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  inTime(t, watch.stop(), allowed)
  t.strictSame([code, signal], [1, null], output)
  t.match(eventsOf(output, 'graceful.killed'), [{ phase: 'terminated', blockedIn: /^spinForEver/ }])
})

t.test('a full standard error holds nobody', async (t) => {
  const fifo = `${t.testdir({})}/stderr`
  execFileSync('mkfifo', [fifo])
  // Opened for both, so that it waits for no reader and always has one.
  const into = ['sh', '-c', 'exec "$@" 2<>"$0"', fifo]
  /** Starts with a standard error that takes nothing any more, and makes whoever writes to it wait. */
  const stuffed = async (type: 'FIFO' | 'socket', given: object): Promise<{
    app: Fork,
    url: string,
    address: string,
    exit: Promise<[number | null, NodeJS.Signals | null]>
  }> => {
    const app = hanging({ fill: true, fastify: { logger: false }, ...given }, type === 'FIFO' ? { under: into } : {})
    app.child.stderr?.pause()
    const exit = once(app.child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
    const { url, watchdog: address } = await watched(app)
    t.match(app.output(), new RegExp(`^standard error is a ${type}, which waits, and is full: EAGAIN$`, 'm'))
    return { app, url, address, exit }
  }
  const port = { port: 0, host: '127.0.0.1' }

  /** Hangs, has its block told, and is told to end. */
  const hang = async (type: 'FIFO' | 'socket'): Promise<void> => {
    const { app, url, address, exit } = await stuffed(type, {
      way: 'loop',
      options: { gracePeriod, watchdog: { ...watchdog, ...port } }
    })
    fetch(`${url}/hang`).catch(() => {})
    await app.waitForLine(/hanging/)
    for (let text = ''; !text.includes('event-loop failed'); await sleep(20)) {
      text = await (await fetch(`${address}/readyz`)).text()
    }
    for (const until = performance.now() + 1000; performance.now() < until; await sleep(50)) {
      t.equal(
        (await fetch(`${address}/livez`, { signal: AbortSignal.timeout(1000) })).status,
        200,
        'the port answers while the line waits'
      )
    }
    const watch = new Stopwatch(app.child.pid)
    app.kill('SIGTERM')
    const [code, signal] = await exit
    // Node's own line about its debugger comes before the exit, and waits for SIGKILL where the reader takes nothing.
    t.ok(signal === 'SIGKILL' || code === 1, `${type}: ${code} ${signal}`)
    inTime(t, watch.stop(), allowed, type)
    app.child.stderr?.resume()
    const [, , output] = await app.result
    t.notMatch(output, /graceful\.(?:blocked|killed)/, 'nobody could read it')
  }

  /** Hangs for a while, and ends long after. */
  const recover = async (type: 'FIFO' | 'socket'): Promise<void> => {
    const { app, url, exit } =
      await stuffed(type, { way: 'short', ms: 1000, options: { gracePeriod: 20_000, watchdog } })
    t.equal(await (await fetch(`${url}/hang`)).text(), 'over')
    for (let blocked = 0; blocked === 0; await sleep(20)) {
      blocked = ((await (await fetch(`${url}/status`)).json()) as { watchdog: { blockedCount: number } }).watchdog.blockedCount
    }
    const watch = new Stopwatch(app.child.pid)
    app.kill('SIGTERM')
    t.strictSame(await exit, [0, null], `${type}: a line that was lost holds no exit`)
    inTime(t, watch.stop(), [0, 10_000], type)
    app.child.stderr?.resume()
    await app.result
  }

  /** The same, and is read by then. */
  const read = async (type: 'FIFO' | 'socket'): Promise<void> => {
    const { app, url, exit } =
      await stuffed(type, { way: 'short', ms: 1000, options: { gracePeriod: 20_000, watchdog } })
    let read = ''
    const reader = type === 'FIFO'
      ? createReadStream(fifo, 'utf8').on('data', (text) => { read += text as string })
      : app.child.stderr?.resume()
    const start = Date.now()
    const watch = new Stopwatch(app.child.pid)
    t.equal(await (await fetch(`${url}/hang`)).text(), 'over')
    for (const end = Date.now() + 5000; !`${read}${app.output()}`.includes('graceful.blocked') && Date.now() < end;) {
      await sleep(20)
    }
    const [, told = '{}'] = /(\{"level":50.*"graceful\.blocked".*\})$/m.exec(`${read}${app.output()}`) ?? []
    const { time = Infinity, msg } = JSON.parse(told) as { time?: number, msg?: string }
    t.match(msg, /^the event loop has not turned/, `${type}: whoever reads has the line whole`)
    inTime(t, { time: time - start, late: watch.stop().late }, [0, watchdog.blocked + 500], `${type}: told after`)
    app.kill('SIGTERM')
    t.strictSame(await exit, [0, null])
    reader?.destroy()
    await app.result
  }
  await Promise.all([hang('socket'), hang('FIFO')])
  await Promise.all([recover('socket'), recover('FIFO')])
  await Promise.all([read('socket'), read('FIFO')])
})

t.test('a log that throws does not end the service', async (t) => {
  const app = hanging({ way: 'short', ms: 1500, unloggable: 'graceful.unblocked', options: { gracePeriod, watchdog } })
  const { url } = await watched(app)
  t.equal(await (await fetch(`${url}/hang`)).text(), 'over')
  for (let blocked = 0; blocked === 0; await sleep(20)) {
    blocked = ((await (await fetch(`${url}/status`)).json()) as { watchdog: { blockedCount: number } }).watchdog.blockedCount
  }
  t.equal(await (await fetch(url)).text(), 'ok')
  app.kill('SIGTERM')
  const [code, , output] = await app.result
  t.equal(code, 0, output)
})

t.test('a block that ends while its stack is asked for leaves nothing behind', async (t) => {
  const end = async (way: string): Promise<void> => {
    const app = hanging({ way, options: { gracePeriod: 10_000, watchdog } })
    const { url } = await watched(app)
    // It is noticed somewhere between 400 and 700 ms after the hang began, and its stack waited for some 350 ms more.
    for (let ms = 500; ms <= 1000; ms += 100) {
      t.equal(await (await fetch(`${url}/hang?ms=${ms}`)).text(), 'over')
      const watch = new Stopwatch(app.child.pid)
      t.equal(await (await fetch(url)).text(), 'ok')
      inTime(t, watch.stop(), [0, 300], `${way} ${ms} ms: nothing is paused any more, answered after`)
    }
    const told = (): number[] =>
      ['graceful.blocked', 'graceful.unblocked'].map((event) => eventsOf(app.output(), event).length)
    const counted = async (): Promise<number> =>
      ((await (await fetch(`${url}/status`)).json()) as { watchdog: { blockedCount: number } }).watchdog.blockedCount
    for (
      const until = performance.now() + 2000;
      performance.now() < until && new Set([...told(), await counted()]).size > 1;
    ) await sleep(20)
    const blocked = await counted()
    t.ok(blocked > 2, `${blocked} blocks`)
    t.strictSame(told(), [blocked, blocked], 'each has a line for its begin and for its end')
    app.kill('SIGTERM')
    t.strictSame((await app.result).slice(0, 2), [0, null], app.output())
  }
  await Promise.all([end('sleep'), end('short')])
})

t.test('what could not be paused in time is not said to be native code', async (t) => {
  const folder = t.testdir({})
  const app = hanging({ way: 'loop', scripts: 40_000_000, folder, options: { gracePeriod, watchdog } })
  const { url } = await watched(app)
  fetch(`${url}/hang`).catch(() => {})
  const line = await eventOf(app, 'graceful.blocked')
  t.equal(line['native'], undefined)
  t.match(
    line.msg,
    line['blockedIn'] === undefined
      ? /at an unknown place, computing: it could not be paused in time/
      : /in spinForEver/
  )
  app.kill('SIGKILL')
  await app.result
})

t.test('logs to the last line', async (t) => {
  const folder = t.testdir({})
  const run = async (kind: string, way: string, lines: number): Promise<void> => {
    const file = `${folder}/${kind}-${way}`
    writeFileSync(file, '')
    const app = fork('../../watchdog/fixtures/logs.js', {
      given: { kind, way, file, lines, options: { gracePeriod, watchdog } }
    })
    await app.waitForLine(/hanging/)
    app.kill('SIGTERM')
    const [code, signal, output] = await app.result
    t.strictSame([code, signal], way === 'loop' ? [1, null] : [null, 'SIGKILL'], output)
    t.equal(readFileSync(file, 'utf8').match(/line \d+ of many/g)?.length, lines, `${kind} ${way}`)
  }
  const natively = ['plain', 'transport', 'pretty'].map((kind) => run(kind, 'native', 500))
  // One after the other: each keeps a processor busy.
  for (const [kind, lines] of [['plain', 20_000], ['transport', 20_000], ['pretty', 500]] as const) {
    await run(kind, 'loop', lines)
  }
  await Promise.all(natively)
})

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { metricPrefix } from '../../lib/metrics/table.ts'
import { fork } from '../process/fork.ts'
import { inTime, Stopwatch, unlessLate } from '../support/stopwatch.ts'
import { eventOf, eventsOf, hanging, markedLine, watched } from './support.ts'

t.jobs = 2
t.setTimeout(120_000)

const token = 'a-token-of-enough-length'
const headers = { authorization: `Bearer ${token}` }
const options = {
  gracePeriod: 10_000,
  admin: { token },
  metrics: true,
  watchdog: { blocked: 1000, liveness: 2500, port: 0, host: '127.0.0.1' }
}

const textOf = async (url: string, init: RequestInit = {}): Promise<[number, string]> => {
  const response = await fetch(url, init)
  return [response.status, await response.text()]
}

/** What the metrics of the watchdog's port say, by name and labels. */
async function metricsOf (watchdog: string, path = '/-/metrics'): Promise<Record<string, number>> {
  const [status, text] = await textOf(watchdog + path)
  if (status !== 200) throw new Error(`${status} ${text}`)
  const lines = text.split('\n').filter((line) => line.startsWith(metricPrefix))
    .map((line) => line.slice(metricPrefix.length).split(' '))
  return Object.fromEntries(lines.map(([name, value]) => [name!, Number(value)]))
}

/** Asks again and again until the answer matches. */
async function until (url: string, pattern: RegExp, init: RequestInit = {}): Promise<number> {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(20)) {
    const [status, text] = await textOf(url, init)
    if (pattern.test(text)) return status
  }
  throw new Error(`${url} never said ${pattern}`)
}

t.test('watchdogs that have gone leave no descriptor behind', async (t) => {
  const [code, , output] = await fork('../../watchdog/fixtures/cycles.js').result
  t.equal(code, 0, output)
  t.match(output, /^descriptors: 0 more$/m)
})

t.test('a blocked event loop in service', async (t) => {
  for (const way of ['short', 'sleep']) {
    const app = hanging({ way, ms: 4000, options })
    const { url, watchdog } = await watched(app)
    t.equal(await until(`${watchdog}/readyz`, /^ok$/), 200)
    const start = Date.now()
    const watch = new Stopwatch(app.child.pid)
    const hung = fetch(`${url}/hang`)
    const line = await eventOf(app, 'graceful.blocked')
    inTime(t, { time: line['time'] as number - start, late: watch.late }, [0, 1000 + 500 + 200], 'told after')
    t.match(line, { level: 50, silence: Number })
    const place = way === 'short' ? new RegExp(`^spinShortly .*hang\\.js:${markedLine('short')}:`) : /./
    if (way === 'short') {
      const { blockedIn, msg } = line as { blockedIn?: string, msg: string }
      const isNamed = place.test(blockedIn ?? '') && /not turned for \d+ ms, in spinShortly/.test(msg)
      // Its stack is waited for 350 ms: a main thread that has no processor in them cannot be asked.
      unlessLate(t, isNamed, `what blocks it is named: ${msg}`, watch.late, 150)
    } else t.match(line, { native: true, msg: /inside native code/ })
    t.match(
      await textOf(`${watchdog}/readyz?verbose`),
      [503, /\[\+\]database ok\n\[-\]event-loop failed: reason withheld\nreadyz check failed/]
    )
    t.match(await textOf(`${watchdog}/livez`), [200, 'ok'], 'a replica that may recover is not restarted')
    t.match(await (await fetch(`${watchdog}/-/status`)).json(), { phase: 'running', ready: false })
    t.match(
      await (await fetch(`${watchdog}/-/status`, { headers })).json(),
      { phase: 'running', eventLoop: { blocked: true }, applications: [{ phase: 'running' }] }
    )
    const answer = new Stopwatch(app.child.pid)
    const metrics = await metricsOf(watchdog)
    inTime(t, answer.stop(), [0, 100], 'metrics do not wait for it:')
    t.match(metrics, {
      'phase{phase="running"}': 1,
      'phase{phase="draining"}': 0,
      ready: 0,
      event_loop_blocked: 1,
      deadline_timestamp_seconds: 0,
      event_loop_blocked_seconds_count: 0
    })
    t.ok(metrics['event_loop_silence_seconds']! > 1 && metrics['metrics_age_seconds']! > 1, 'and say how old they are')
    t.equal(await until(`${watchdog}/livez`, /event-loop failed/), 503, 'one that does not is')
    t.equal(await (await hung).text(), 'over', 'nothing is killed for a block')
    const recovered = await eventOf(app, 'graceful.unblocked')
    t.match(recovered, {
      level: 40,
      duration: Number,
      blockedIn: way === 'short' ? place : /^sleepShortly|^execFileSync|^hang/
    })
    inTime(t, { time: recovered['duration'] as number, late: watch.stop().late }, [3000, 5000], 'as long as it hung:')
    t.equal(await until(`${watchdog}/readyz`, /^ok$/), 200)
    const after = await metricsOf(watchdog, '/metrics')
    t.match(after, { ready: 1, event_loop_blocked: 0, event_loop_blocked_seconds_count: 1 })
    t.ok(after['metrics_age_seconds']! < 1)
    t.ok(
      after['probe_answers_total{prober="other",probe="readyz",result="fail"}']! >= 1,
      'what was answered meanwhile is counted'
    )
    t.match(await (await fetch(`${url}/status`)).json(), {
      watchdog: {
        state: 'watching',
        blockedCount: 1,
        blockedTime: Number,
        lastBlocked: { duration: Number, at: Number, blockedIn: String }
      }
    })
    app.kill('SIGTERM')
    t.strictSame((await app.result).slice(0, 2), [0, null])
    t.equal(eventsOf(app.output(), 'graceful.blocked').length, 1, 'one line each')
  }
})

t.test('probes off the loop agree with those on it', async (t) => {
  const app = hanging({ options, stall: 'draining' })
  const { url, watchdog } = await watched(app)
  await until(`${watchdog}/readyz`, /^ok$/)
  for (const path of [
    '/readyz?verbose',
    '/livez?verbose',
    '/startupz?verbose',
    '/readyz/database',
    '/readyz?exclude=database&verbose',
    '/readyz?exclude=nothing&exclude=nothing&exclude=data&verbose',
    '/readyz/database?exclude=nothing&verbose',
    '/readyz/nothing'
  ]) {
    const [status, text] = await textOf(url + path)
    const [ours, said] = await textOf(watchdog + path)
    t.strictSame([ours, said.replace('[+]event-loop ok\n', '')], [status, text], path)
  }
  t.match(
    await (await fetch(`${watchdog}/readyz`, { headers: { accept: 'application/json' } })).json(),
    { status: 'pass', checks: { database: [{ status: 'pass' }], 'event-loop': [{ status: 'pass' }] } }
  )
  t.equal(
    await until(`${watchdog}/-/status`, /"gracePeriod":10000.*"versions"/, { headers }),
    200,
    'the whole, from the main thread'
  )
  const probed = 'probe_answers_total{prober="kube-probe",probe="livez",result="pass"}'
  for (let i = 1; i <= 3; i++) await fetch(`${watchdog}/livez`, { headers: { 'user-agent': 'kube-probe/1.34' } })
  const [ours, theirs] = [await metricsOf(watchdog), await metricsOf(url)]
  t.strictSame(Object.keys(ours), Object.keys(theirs))
  t.strictSame([ours[probed], theirs[probed]], [3, 3], 'counted on either port')
  t.equal(
    (await fetch(`${watchdog}/metrics`)).headers.get('content-type'),
    (await fetch(`${url}/-/metrics`)).headers.get('content-type')
  )
  await fetch(`${url}/fail`)
  t.equal(await until(`${watchdog}/readyz`, /\[-\]database failed/), 503)
  for (const [path, init, status] of [
    ['/', {}, 404], ['/livez/a/b', {}, 404], ['/livez', { method: 'POST' }, 405], ['/livez', { method: 'HEAD' }, 200],
    ['/-/prestop', {}, 405], ['/-/prestop', { method: 'POST' }, 401],
    ['/-/prestop', { method: 'POST', headers: { authorization: 'Bearer wrong' } }, 403],
    ['/-/drain', { method: 'POST' }, 405]
  ] as const) t.equal((await fetch(watchdog + path, init)).status, status, `${path} ${JSON.stringify(init)}`)
  app.kill('SIGTERM')
  await until(`${watchdog}/-/status`, /"phase":"draining","number":3/)
  for (let i = 1; i <= 2; i++) {
    t.match(
      await textOf(`${watchdog}/readyz?verbose`, { headers: { 'user-agent': 'kube-probe/1.34' } }),
      [503, /\[-\]shutdown failed/],
      'to the end'
    )
  }
  app.kill('SIGINT')
  const [, , output] = await app.result
  const [report] = eventsOf(output, 'graceful.report') as unknown as Array<{
    report: { traffic: { probes: object[] } }
  }>
  t.match(
    report?.report.traffic.probes.find((told) => (told as { prober: string }).prober === 'kube-probe'),
    { answers: 2, first: Number, last: Number },
    'the report knows who has seen it fail'
  )
})

t.test('readiness fails with the end, also while a slow check runs', async (t) => {
  const slow = 5000
  const app = hanging({ options, slow, stall: 'announcing' })
  const { watchdog } = await watched(app)
  await until(`${watchdog}/readyz?verbose`, /\[\+\]slow ok/)
  // The verdict that is told with this was asked for before: the next one takes as long as the check.
  await sleep(500)
  const watch = new Stopwatch(app.child.pid)
  app.kill('SIGTERM')
  t.equal(await until(`${watchdog}/readyz?verbose`, /\[-\]shutdown failed/), 503)
  inTime(t, watch.stop(), [0, slow / 2], 'after the signal:')
  t.match(await textOf(`${watchdog}/readyz?exclude=shutdown`), [200, 'ok'])
  app.kill('SIGKILL')
  await app.result
})

// Scenario (Health): Probes are answered while the event loop is busy
t.test('probes answer while the event loop is busy', async (t) => {
  const app = hanging({ options })
  const { url, watchdog } = await watched(app)
  await until(`${watchdog}/readyz`, /^ok$/)
  await fetch(`${url}/busy?ms=1000`)
  for (let count = 0; count < 10; count++) {
    t.match(
      (await textOf(`${watchdog}/-/status`, { headers }))[1],
      /"budget":/,
      'a main thread that is merely busy is asked for the whole'
    )
  }
  await fetch(`${url}/busy?ms=2000`)
  const times: Array<{ time: number, late: number }> = []
  const watch = new Stopwatch(app.child.pid)
  for (const end = performance.now() + 1500; performance.now() < end; await sleep(2)) {
    watch.restart()
    const response = await fetch(`${watchdog}/readyz`)
    await response.text()
    const { time, late } = watch
    times.push({ time, late })
  }
  watch.stop()
  times.sort((a, b) => a.time - a.late - b.time + b.late)
  // Where the main thread had to be asked, each would wait for its 30 ms.
  inTime(t, times[Math.floor(times.length / 2)]!, [0, 20], `median of ${times.length}:`)
  inTime(t, times.at(-1)!, [0, 200], 'the longest:')
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null])
})

// Scenario, too: The event loop hangs
t.test('a preStop call starts the countdown though the main thread hangs', async (t) => {
  const app = hanging({ way: 'loop', options: { ...options, gracePeriod: 4000, announce: { max: 500 } } })
  const { url, watchdog } = await watched(app)
  await until(`${watchdog}/readyz`, /^ok$/)
  const watch = new Stopwatch(app.child.pid)
  fetch(`${url}/slow/1`).catch(() => {})
  await app.waitForLine(/slow begins/)
  const begun = performance.now()
  // By then the watchdog has been told of it.
  await sleep(1500)
  fetch(`${url}/hang`).catch(() => {})
  await app.waitForLine(/hanging/)
  await sleep(500)
  /** How much older than in truth the watchdog says that it is: the clock by which it came is coarse. */
  const excess = async (accept: string): Promise<number> => {
    const [, text] = await textOf(`${watchdog}/-/status`, { headers: { ...headers, accept } })
    const state = JSON.parse(
      /<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(text)?.[1] ?? text
    ) as { requests?: Array<{ age: number }>, applications?: [{ requests: Array<{ age: number }> }] }
    return (state.requests ?? state.applications?.[0].requests ?? [])[0]!.age - (performance.now() - begun)
  }
  const first = await excess('application/json')
  inTime(t, { time: first, late: watch.late }, [-100 - watch.late, 1100], 'older than it is:')
  await sleep(500)
  for (const type of ['application/json', 'text/html']) {
    const later = await excess(type)
    inTime(
      t,
      { time: Math.abs(later - first), late: watch.late },
      [0, 50],
      `it grows older as the time goes on, ${type}, but for`
    )
  }
  watch.restart()
  const answer = fetch(`${watchdog}/-/prestop`, { headers: { ...headers, 'user-agent': 'kube-lifecycle/1.30' } })
  t.equal(await until(`${watchdog}/readyz`, /event-loop failed/), 503, 'and readiness fails')
  const { deadline_timestamp_seconds: deadline } = await metricsOf(watchdog)
  const left = deadline! * 1000 - Date.now()
  t.ok(left > 2000 - watch.late && left < 4000, `by when all must be over is known already: in ${left} ms`)
  t.equal((await answer).status, 200)
  t.ok(watch.time >= 450, 'after announce.max')
  await sleep(500)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  watch.stop()
  t.strictSame([code, signal], [1, null], output)
  inTime(t, watch, [3150, 3900], 'gone after the call:')
})

t.test('a second signal shortens the countdown of a main thread that hangs, a third ends it', async (t) => {
  const app = hanging({ way: 'loop', options: { gracePeriod: 60_000, watchdog: { enabled: true } } })
  const { url } = await watched(app)
  fetch(`${url}/hang`).catch(() => {})
  await app.waitForLine(/hanging/)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    await sleep(400)
    app.kill(signal)
  }
  const watch = new Stopwatch(app.child.pid)
  const [code, signal, output] = await app.result
  t.strictSame([code, signal], [129, null], output)
  inTime(t, watch.stop(), [0, 1000])
})

t.test('a boot that computes for long fails readiness and startup, not liveness', async (t) => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  const ms = 4000
  const app = hanging({
    way: 'short',
    ms,
    phase: 'boot',
    fastify: { logger: true, pluginTimeout: 20_000 },
    options: { ...options, watchdog: { ...options.watchdog, port } }
  })
  await app.waitForLine(/hanging/)
  const watch = new Stopwatch(app.child.pid)
  const watchdog = `http://127.0.0.1:${port}`
  const isUp = (): Promise<boolean> => fetch(`${watchdog}/livez`).then(() => true, () => false)
  const isComputing = (): boolean => watch.time < ms - 500 && !/^free$/m.test(app.output())
  while (!await isUp() && isComputing()) await sleep(50)
  inTime(t, watch, [0, ms / 2], 'the thread is up beside a boot that computes:')
  for (; isComputing(); await sleep(100)) {
    t.strictSame(
      [
        (await fetch(`${watchdog}/livez`)).status,
        (await fetch(`${watchdog}/readyz`)).status,
        (await fetch(`${watchdog}/startupz`)).status
      ],
      [200, 503, 503]
    )
  }
  t.ok(ms - 500 > options.watchdog.liveness, 'longer than in service')
  t.equal(eventsOf(app.output(), 'graceful.blocked').length, 0)
  // The last question is asked half a second before the end.
  unlessLate(t, !/^free$/m.test(app.output()), 'all of it while it computed', watch.late, 500)
  await watched(app)
  t.equal(await until(`${watchdog}/readyz`, /^ok$/), 200)
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null])
})

t.test('slow and oversized requests keep no probe out', async (t) => {
  const app = hanging({ options })
  const { watchdog } = await watched(app)
  await until(`${watchdog}/readyz`, /^ok$/)
  const port = Number(new URL(watchdog).port)
  const sockets: Socket[] = []
  /** Sends this, and answers all that comes until the other side closes. */
  const send = (text: string): Promise<string> => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.write(text) }).setEncoding('utf8')
    let answer = ''
    socket.on('data', (chunk: string) => { answer += chunk })
    socket.on('error', () => {})
    socket.once('close', () => { resolve(answer) })
    sockets.push(socket)
  })
  const many =
    Promise.all(Array.from({ length: 400 }, (_, index) => send(index % 2 === 0 ? '' : 'GET /livez HTTP/1.1\r\nx: ')))
  t.match(await textOf(`${watchdog}/livez`), [200, 'ok'])
  t.equal(await send(`GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`), '')
  t.match(
    await send(`GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n${'x'.repeat(100_000)}`),
    /^HTTP\/1.1 200 OK[^]*connection: close/
  )
  t.equal((await many).join(''), '', 'neither half a head nor nothing is waited for')
  t.match(await textOf(`${watchdog}/livez`), [200, 'ok'])
  for (const socket of sockets) socket.destroy()
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null])
})

t.test('a second signal that the main thread has heard shortens the countdown, and a third that it has not ends it',
  async (t) => {
    const end = async (third: boolean): Promise<void> => {
      const app = hanging({
        way: 'sleep',
        ms: 15_000,
        phase: 'onClose',
        stall: 'draining',
        options: { gracePeriod: 30_000, announce: { max: 500 }, watchdog: { enabled: true } }
      })
      await watched(app)
      app.kill('SIGTERM')
      await app.waitForLine(/draining/)
      const hurried = new Stopwatch(app.child.pid)
      app.kill('SIGINT')
      await app.waitForLine(/hanging/)
      // From here on a signal is the watchdog's alone, and the second is one that it has long forgotten.
      await sleep(1500)
      const watch = new Stopwatch(app.child.pid)
      if (third) app.kill('SIGHUP')
      const [code, signal, output] = await app.result
      t.strictSame([code, signal], [null, 'SIGKILL'], output)
      t.match(eventsOf(output, 'graceful.killed'), [{ native: true, exitCode: third ? 129 : 1 }])
      if (third) inTime(t, watch.stop(), [0, 1000])
      else inTime(t, hurried.stop(), [0, 5500])
    }
    await Promise.all([end(false), end(true)])
  })

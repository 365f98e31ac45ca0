import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { findHaproxy } from '../../e2e/haproxy.ts'
import { gate, phaseOf, open, serve, until } from '../../traffic/support.ts'
import type { Reply, Service } from '../../traffic/support.ts'
import { inTime, Stopwatch } from '../../support/stopwatch.ts'

const header = 'x-envoy-immediate-health-check-fail'

/** One request on a connection of its own. */
async function ask (service: Service, path: string, method = 'GET', agent = 'test'): Promise<Reply> {
  const wire = await open(service.port)
  const reply = await wire.sendWith([`User-Agent: ${agent}`], `${method} ${path}`).reply()
  wire.socket.destroy()
  return reply
}

const code = async (service: Service, path: string): Promise<number> => (await ask(service, path)).status

t.test('a health route for an external balancer', async (t) => {
  // Scenario (Health): A status code of its own for a balancer (terminus)
  t.test('has a path and a status code of its own', async (t) => {
    const service = await serve(t, {
      graceful: { probes: { prefix: '/health', external: { path: '/up', status: 404 } } }
    })
    const release = service.hold('announcing')
    const good = await ask(service, '/up')
    t.equal(good.status, 200)
    t.equal(good.body.toString(), 'ok')
    t.equal(good.headers['cache-control'], 'no-store')
    const head = await ask(service, '/up', 'HEAD')
    t.equal(head.status, 200)
    t.equal(head.body.length, 0)
    t.equal(await code(service, '/health/up'), 404, 'no other path than the one given')
    const end = service.shutdown()
    await service.reached('announcing')
    const leaving = await ask(service, '/up')
    t.equal(leaving.status, 404)
    t.equal(leaving.body.toString(), 'leaving')
    t.equal(await code(service, '/health/readyz'), 503, 'the kubelet is answered as always')
    release()
    await end
  })

  t.test('may answer without a body', async (t) => {
    const service = await serve(t, { graceful: { probes: { external: { path: '/up', status: 204 } } } })
    service.hold('announcing')
    void service.shutdown()
    await service.reached('announcing')
    const reply = await ask(service, '/up')
    t.equal(reply.status, 204)
    t.equal(reply.headers['content-type'], undefined)
  })

  t.test('has a delay of its own, and the evidence waits for it', async (t) => {
    const service = await serve(t, {
      graceful: { announce: { quiet: 50, shed: 'immediate' }, probes: { external: { path: '/up', delay: 600 } } }
    })
    const release = service.hold('announcing')
    const end = service.shutdown()
    const start = performance.now()
    await service.reached('announcing')
    const wire = await open(service.port)
    t.equal(await code(service, '/readyz'), 503, 'readiness does not wait')
    t.equal(await code(service, '/up'), 200)
    t.equal((await wire.send('GET /').reply()).headers['connection'], 'keep-alive', 'nobody is told to reconnect')
    t.match(
      service.status().participants.find(({ name }) => name === 'traffic')?.reason,
      /^health routes are still good, as .* ask$/
    )
    let last = 200
    while (last === 200) last = await code(service, '/up')
    t.equal(last, 503)
    t.ok(performance.now() - start >= 590)
    release()
    t.ok(phaseOf(await end, 'announcing')!.duration >= 600)
  })

  t.test('tells a service that leaves from one that is down', async (t) => {
    let broken = false
    const service = await serve(t, {
      graceful: { probes: { external: { path: '/up', status: 404 } } },
      routes: (app) => app.after(() => { app.graceful.addCheck('database', () => !broken, { ttl: 1 }) })
    })
    t.equal(await code(service, '/up'), 200)
    const hold = service.app.graceful.hold('maintenance')
    t.equal(await code(service, '/up'), 404, 'held by hand')
    hold.release()
    broken = true
    let failing = await ask(service, '/up')
    // The last good result is answered again for a moment.
    while (failing.status === 200) failing = await ask(service, '/up')
    t.equal(failing.status, 503, 'a failing check is not that')
    t.equal(failing.body.toString(), 'failing')
  })
})

t.test('Envoy is told with every reply from phase 1 on', async (t) => {
  t.test('also with those that were under way, by hijackers, and by probes', async (t) => {
    const answer = gate()
    let slow = false
    const service = await serve(t, {
      graceful: { announce: { envoy: true, quiet: 50 } },
      routes: (app) => {
        app.get('/slow', async () => {
          slow = true
          await answer.promise
          return 'slow'
        })
        app.get('/raw', (_request, reply) => {
          reply.hijack()
          reply.raw.writeHead(200, { 'content-length': 3 })
          reply.raw.end('raw')
        })
      }
    })
    t.equal((await ask(service, '/')).headers[header], undefined, 'nothing while it runs')
    const release = service.hold('announcing')
    const wire = await open(service.port)
    wire.send('GET /slow')
    await until(() => slow)
    const end = service.shutdown()
    await service.reached('announcing')
    for (const path of ['/', '/raw', '/readyz', '/nowhere']) {
      t.equal((await ask(service, path)).headers[header], 'true', path)
    }
    answer.open()
    const late = await wire.reply()
    t.equal(late.status, 200)
    t.equal(late.headers[header], 'true', 'a reply whose head was not sent')
    release()
    t.match(await end, { verdict: 'clean' })
  })

  t.test('over HTTP/2', async (t) => {
    const service = await serve(t, { graceful: { announce: { envoy: true, quiet: 50 } }, fastify: { http2: true } })
    const release = service.hold('announcing')
    const session = connectHttp2(`http://127.0.0.1:${service.port}`)
    const get = async (): Promise<unknown> => {
      const stream = session.request({ ':path': '/' })
      const [headers] = await once(stream, 'response') as [Record<string, unknown>]
      stream.resume()
      await once(stream, 'close')
      return headers[header]
    }
    t.equal(await get(), undefined)
    const end = service.shutdown()
    await service.reached('announcing')
    t.equal(await get(), 'true')
    release()
    await end
    session.destroy()
  })

  t.test('not before readiness fails, and no more after an undrain', async (t) => {
    const service = await serve(t, {
      graceful: {
        announce: { envoy: true, quiet: 50, readinessDelay: 300 },
        admin: { token: 'a-token-of-enough-length' }
      }
    })
    const post = async (path: string): Promise<number> => {
      const wire = await open(service.port)
      const { status } = await wire
        .post(path, ['Content-Length: 0', 'Authorization: Bearer a-token-of-enough-length']).reply()
      wire.socket.destroy()
      return status
    }
    const told = async (): Promise<boolean> => (await ask(service, '/')).headers[header] === 'true'
    const start = performance.now()
    t.equal(await post('/-/drain'), 200)
    while (!await told());
    t.ok(performance.now() - start >= 250, 'readinessDelay has passed')
    t.equal(await code(service, '/readyz'), 503)
    t.equal(await post('/-/undrain'), 200)
    t.notOk(await told())
    t.equal(await code(service, '/readyz'), 200)
  })

  t.test('nobody is told where the option is not set', async (t) => {
    const service = await serve(t)
    const release = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    t.equal((await ask(service, '/')).headers[header], undefined)
    release()
    await end
  })
})

t.test('witnesses', async (t) => {
  // Scenario (Health): Who was told that readiness fails (terminus)
  t.test('who was told that it is not ready, and when', async (t) => {
    const service = await serve(t, {
      graceful: { announce: { quiet: 50 }, probes: { external: { path: '/up', status: 404 } } }
    })
    const hold = service.app.graceful.hold('not yet')
    t.equal((await ask(service, '/readyz', 'GET', 'kube-probe/1.35')).status, 503)
    hold.release()
    t.same(service.status().traffic.probes, [], 'before the announcement nobody is to learn of it')
    const release = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    for (const [path, agent] of [
      ['/readyz', 'kube-probe/1.35'],
      ['/readyz/shutdown', 'kube-probe/1.35'],
      ['/up', 'ELB-HealthChecker/2.0'],
      ['/up', 'curl/8'],
      ['/livez', 'GoogleHC/1.0']
    ] as const) {
      await ask(service, path, 'GET', agent)
    }
    // The witness hears of an answer when it is out, which the client may know first.
    await until(() => service.status().traffic.probes.length === 3)
    release()
    const { traffic } = await end
    t.match(traffic.probes, [
      { prober: 'kube-probe', answers: 2 },
      { prober: 'ELB-HealthChecker', answers: 1 },
      { prober: 'other', answers: 1 }
    ], 'liveness stays good')
    for (const { first, last } of traffic.probes) t.ok(first >= 0 && last >= first && last < 10_000)
  })

  t.test('an answer that nobody has got does not count', async (t) => {
    const answer = gate()
    const service = await serve(t, {
      graceful: { announce: { quiet: 50 } },
      routes: (app) => app.after(() => { app.graceful.addCheck('slow', () => answer.promise, { timeout: 20_000 }) })
    })
    const release = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    const wire = await open(service.port)
    wire.send('GET /readyz')
    await until(() => service.status().connections['busy'] === 1)
    wire.socket.destroy()
    await until(() => service.status().connections['open'] === 0)
    answer.open()
    await ask(service, '/readyz', 'GET', 'GoogleHC/1.0')
    await until(() => service.status().traffic.probes.length > 0)
    release()
    t.match((await end).traffic.probes, [{ prober: 'GoogleHC', answers: 1 }])
  })

  t.test('who came late, in one warning', async (t) => {
    const lines: Array<Record<string, unknown>> = []
    const stream = new Writable({ write (chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      done()
    } })
    const service = await serve(t, {
      graceful: { announce: { min: 300, blind: 0, quiet: 200, max: 300 } },
      fastify: { logger: { level: 'warn', stream } }
    })
    const closing = service.hold('closing')
    const watch = new Stopwatch(process.pid)
    const end = service.shutdown()
    await service.reached('announcing')
    const late: Array<Promise<Reply>> = []
    while (service.app.graceful.phase === 'announcing') {
      late.push(ask(service, '/'))
      await sleep(20)
    }
    await Promise.allSettled(late)
    closing()
    const { traffic, advice } = await end
    t.ok(traffic.lateArrivals > 0)
    t.same(traffic.lateSources, [{ address: '127.0.0.1', count: traffic.lateArrivals }])
    t.equal(traffic.suggestedMin, 1000)
    inTime(t, { time: traffic.lastArrival!, late: watch.stop().late }, [Number.MIN_VALUE, 1000])
    const warnings = lines.filter(({ event }) => event === 'graceful.late')
    t.match(warnings, [{
      level: 40,
      lateArrivals: traffic.lateArrivals,
      lateSources: traffic.lateSources,
      suggestedMin: 1000,
      msg: advice[0]
    }])
    t.equal(warnings.length, 1)
  })
})

/** The state of each server, as a real HAProxy that probes `/up` sees it. */
async function watchWithHaproxy (t: Test, ports: number[]): Promise<() => Promise<string[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-'))
  const socket = join(folder, 'admin.sock')
  writeFileSync(join(folder, 'haproxy.cfg'), `
global
  stats socket ${socket} mode 600
defaults
  mode http
  timeout connect 5s
  timeout check 5s
  timeout client 5s
  timeout server 5s
backend service
  option httpchk GET /up
  http-check disable-on-404
${ports.map((port, index) => `  server slot${index} 127.0.0.1:${port} check inter 50ms fall 2 rise 1`).join('\n')}
`)
  const child = spawn(findHaproxy(), ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  return async () => {
    const connection = connect(socket)
    connection.setTimeout(5000, () => connection.destroy(new Error('haproxy did not answer in 5 s')))
    connection.end('show stat\n')
    let answer = ''
    try {
      for await (const chunk of connection) answer += String(chunk)
    } catch (error) {
      if (child.exitCode !== null) throw error
      // It is still starting.
    }
    const rows = answer.split('\n').map((line) => line.split(','))
    return rows.filter(([, name]) => name?.startsWith('slot')).map((row) => row[17] ?? '')
  }
}

t.test('a real HAProxy tells a service that leaves from one that is down', async (t) => {
  let broken = false
  const probes = { external: { path: '/up', status: 404 } }
  const leaving = await serve(t, { graceful: { probes } })
  const failing = await serve(t, {
    graceful: { probes },
    routes: (app) => app.after(() => { app.graceful.addCheck('database', () => !broken, { ttl: 1 }) })
  })
  const healthy = await serve(t, { graceful: { probes } })
  const states = await watchWithHaproxy(t, [leaving.port, failing.port, healthy.port])
  const become = async (...expected: string[]): Promise<void> => {
    const end = performance.now() + 15_000
    let seen: string[] = []
    while (performance.now() < end && seen.join() !== expected.join()) {
      await sleep(20)
      seen = (await states()).map((state) => state.split(' ')[0] ?? '')
    }
    t.same(seen, expected)
  }
  await become('UP', 'UP', 'UP')
  const release = leaving.hold('announcing')
  const end = leaving.shutdown()
  broken = true
  await become('NOLB', 'DOWN', 'UP')
  release()
  // It names itself nowhere; that it is one of the unknown ones is all that can be said.
  t.match((await end).traffic.probes, [{ prober: 'other' }])
})

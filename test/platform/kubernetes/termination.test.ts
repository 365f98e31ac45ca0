import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'rolldown'
import t from 'tap'
import type { Test } from 'tap'
import { formatTerminationMessage, readTerminationMessage } from '../../../lib/platform/kubernetes/message.ts'
import type { TerminationRecord } from '../../../lib/platform/kubernetes/message.ts'
import { fork, listening } from '../../process/fork.ts'
import { gate, open, serve, until } from '../../traffic/support.ts'

t.jobs = 4

/** A file as the kubelet makes one. */
const file = (t: Test): string => join(t.testdir({ message: '' }), 'message')
const at = (path: string): Partial<TerminationRecord> => readTerminationMessage(path) ?? {}
const options = (path: string): { kubernetes: { terminationMessagePath: string } } =>
  ({ kubernetes: { terminationMessagePath: path } })

t.test('a verdict is there from the first phase on', async (t) => {
  const path = file(t)
  const service = await serve(t, { graceful: { ...options(path), announce: { quiet: 50 } } })
  t.equal(readFileSync(path, 'utf8'), '', 'nothing while it runs')
  const held = [service.hold('announcing'), service.hold('draining')] as const
  const end = service.shutdown()
  await service.reached('announcing')
  t.match(at(path), {
    final: false,
    verdict: 'unfinished',
    summary: "shutdown by test was not over: killed in phase 'announcing' or later",
    phase: 'announcing',
    kind: 'shutdown',
    reason: 'test',
    pid: process.pid,
    gracePeriod: 20_000,
    preStop: 0,
    phases: []
  })
  t.notOk('exitCode' in at(path))
  held[0]()
  await service.reached('draining')
  const provisional = at(path)
  t.match(provisional, {
    phase: 'draining',
    requests: [],
    phases: [{ phase: 'announcing', endedBy: 'condition' }, { phase: 'closing' }]
  })
  t.ok(provisional.duration! >= 0 && Date.parse(provisional.time!) >= Date.parse(provisional.startedAt!))
  held[1]()
  const report = await end
  t.match(at(path), {
    final: true,
    verdict: 'clean',
    exitCode: 0,
    phase: 'terminated',
    summary: report.summary,
    startedAt: new Date(report.startedAt).toISOString()
  })
  t.same(at(path).phases, JSON.parse(JSON.stringify(report.phases)))
})

t.test('what held it, and what was cut', async (t) => {
  const path = file(t)
  const begun = gate()
  const service = await serve(t, {
    graceful: { ...options(path), gracePeriod: 1500 },
    routes: (app) => app.get('/never/:id', async () => {
      begun.open()
      await new Promise(() => {})
    })
  })
  service.app.graceful.stall('outbox', (phase) => phase === 'draining' && '3 messages unsent')
  const wire = await open(service.port)
  wire.send('GET /never/5?secret=1')
  await begun.promise
  const end = service.shutdown()
  await service.reached('draining')
  t.match(at(path), {
    final: false,
    requests: [{ method: 'GET', route: '/never/:id', kind: 'request' }]
  }, 'a SIGKILL in phase 3 would leave this behind')
  await end
  t.match(at(path), {
    final: true,
    verdict: 'cut',
    exitCode: 1,
    cut: { requests: [{ method: 'GET', route: '/never/:id' }], waiting: ['outbox'] },
    advice: [/^1 request was cut after /]
  })
  t.match(at(path).phases?.find(({ phase }) => phase === 'draining'), {
    endedBy: 'cap',
    stalledBy: [{ name: 'traffic' }, { name: 'outbox', reason: '3 messages unsent' }]
  })
  t.notMatch(readFileSync(path, 'utf8'), 'secret')
})

t.test('a drain that is undone leaves nothing behind', async (t) => {
  const path = file(t)
  const token = 'a-token-of-enough-length'
  const service = await serve(t, { graceful: { ...options(path), admin: { token } } })
  const post = async (action: string): Promise<number> => {
    const { statusCode } = await service.app.inject({
      method: 'POST',
      url: `/-/${action}`,
      headers: { authorization: `Bearer ${token}` }
    })
    return statusCode
  }
  t.equal(await post('drain'), 200)
  t.match(at(path), {
    final: false,
    kind: 'drain',
    reason: 'drain',
    summary: "drain was not over: killed in phase 'announcing' or later"
  })
  t.equal(await post('undrain'), 200)
  t.equal(readFileSync(path, 'utf8'), '', 'whoever kills it now kills a running service')
  t.equal(await post('prestop'), 200)
  t.match(at(path), { final: false, kind: 'drain' }, 'a preStop hook begins as one')
  t.match(await service.shutdown(), { verdict: 'clean' })
  t.match(at(path), { final: true, kind: 'shutdown' })
})

t.test('a plain close is nobody else\'s end', async (t) => {
  const path = file(t)
  const service = await serve(t, { graceful: options(path) })
  await service.app.close()
  t.equal(readFileSync(path, 'utf8'), '')

  const asked = await serve(t, { graceful: options(path) })
  const release = asked.hold('draining')
  const closing = asked.app.close()
  await asked.reached('draining')
  const end = asked.shutdown()
  release()
  await Promise.all([closing, end])
  t.match(
    at(path),
    { final: true, kind: 'close', verdict: 'clean' },
    'unless somebody wants the process to end with it'
  )
})

t.test('two applications of a process share the file', async (t) => {
  const path = file(t)
  const [first, second] = [
    await serve(t, { graceful: options(path) }),
    await serve(t, { graceful: { ...options(path), gracePeriod: 1500 } })
  ]
  second.app.graceful.stall('outbox', (phase) => phase === 'draining' && '3 messages unsent')
  t.match(await first.shutdown(), { verdict: 'clean' })
  t.notOk('applications' in at(path))
  t.match(at(path), { final: true, verdict: 'clean' })
  const end = second.shutdown()
  await second.reached('draining')
  const [name] = at(path).applications?.map(({ name }) => name) ?? []
  t.match(name, /^application \d+$/)
  t.match(at(path), {
    final: false,
    verdict: 'unfinished',
    phase: 'draining',
    applications: [
      { final: true, verdict: 'clean', phase: 'terminated' },
      { final: false, verdict: 'unfinished', phase: 'draining' }
    ]
  })
  await end
  t.match(at(path), {
    final: true,
    verdict: 'cut',
    cut: { waiting: ['outbox'] },
    applications: [{ verdict: 'clean' }, { verdict: 'cut', summary: /outbox/ }]
  }, 'the worst of them is what it is about')
})

/** A logger whose lines are kept. */
function logs (): { lines: Array<Record<string, unknown>>, logger: object } {
  const lines: Array<Record<string, unknown>> = []
  const stream = new Writable({ write (chunk: Buffer, _encoding, done) {
    lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
    done()
  } })
  return { lines, logger: { level: 'trace', stream } }
}

t.test('what cannot be written', async (t) => {
  const set = process.env['KUBERNETES_SERVICE_HOST']
  t.teardown(() => {
    if (set === undefined) delete process.env['KUBERNETES_SERVICE_HOST']
    else process.env['KUBERNETES_SERVICE_HOST'] = set
  })
  const absent = join(t.testdir(), 'absent')
  delete process.env['KUBERNETES_SERVICE_HOST']
  const development = logs()
  const service = await serve(t, { graceful: options(absent), fastify: { logger: development.logger } })
  t.match(await service.shutdown(), { verdict: 'clean' })
  t.same(development.lines.filter(({ event }) => event === 'graceful.message'), [], 'is silent in development')

  process.env['KUBERNETES_SERVICE_HOST'] = '10.0.0.1'
  const pod = logs()
  for (const path of [join(t.testdir(), 'gone'), t.testdir()]) {
    const inPod = await serve(t, {
      graceful: { ...options(path), announce: { min: 0, blind: 0, quiet: 50 } },
      fastify: { logger: pod.logger }
    })
    t.equal(pod.lines.filter(({ event }) => event === 'graceful.message').length, 1, 'is warned of at boot')
    await inPod.shutdown()
    const warnings = pod.lines.splice(0).filter(({ event }) => event === 'graceful.message')
    t.match(warnings, [{
      level: 40,
      path,
      msg: /^fastify-graceful: the termination message cannot be written: .*(?:no such file|is no regular file).*'kubernetes.terminationMessagePath'/
    }], 'once')
    t.equal(warnings.length, 1)
  }
})

t.test("a watchdog's last word stays", async (t) => {
  const path = file(t)
  const app = fork('foreign.js', { given: { who: 'told', options: options(path) } })
  const url = await listening(app)
  const slow = fetch(`${url}/slow?ms=20000`).catch(() => {})
  await app.waitForLine(/slow begins/)
  app.kill('SIGTERM')
  let provisional = at(path)
  await until(() => (provisional = at(path)).phase === 'draining')
  const said = {
    ...provisional,
    final: true,
    verdict: 'failed',
    summary: 'blocked',
    blockedIn: 'hash (app.js:5)',
    time: new Date().toISOString()
  } as TerminationRecord
  writeFileSync(path, formatTerminationMessage(said))
  app.kill('SIGUSR2')
  t.match(await app.result, [7, null])
  await slow
  t.match(at(path), { summary: 'blocked', blockedIn: 'hash (app.js:5)' })
})

t.test('every way out of the process leaves a verdict', async (t) => {
  t.test('SIGTERM', async (t) => {
    const path = file(t)
    const app = fork('app.js', { env: { GRACEFUL_TERMINATION_MESSAGE_PATH: path } })
    await listening(app)
    app.kill('SIGTERM')
    t.match(await app.result, [0, null])
    t.match(at(path), { final: true, verdict: 'clean', reason: 'SIGTERM', exitCode: 0, pid: app.child.pid! })
  })

  t.test('SIGKILL, which nobody hears', async (t) => {
    const path = file(t)
    const app = fork('app.js', { given: { options: options(path) } })
    const url = await listening(app)
    const slow = fetch(`${url}/slow?ms=20000`).catch(() => {})
    await app.waitForLine(/slow begins/)
    app.kill('SIGTERM')
    await app.waitForLine(/draining/)
    app.kill('SIGKILL')
    t.match(await app.result, [null, 'SIGKILL'])
    await slow
    t.match(at(path), {
      final: false,
      verdict: 'unfinished',
      phase: 'draining',
      reason: 'SIGTERM',
      requests: [{ method: 'GET', route: '/slow' }],
      summary: "shutdown by SIGTERM was not over: killed in phase 'draining' or later"
    })
  })

  t.test('a crash', async (t) => {
    const path = file(t)
    const app = fork('crash.js', { given: { options: options(path) } })
    const url = await listening(app)
    await fetch(`${url}/crash`)
    t.match(await app.result, [1, null])
    t.match(at(path), { final: true, verdict: 'failed', kind: 'crash', reason: 'uncaughtException: boom', exitCode: 1 })
  })

  t.test('a third signal', async (t) => {
    const path = file(t)
    const app = fork('app.js', { given: { options: options(path) } })
    const url = await listening(app)
    const slow = fetch(`${url}/slow?ms=20000`).catch(() => {})
    await app.waitForLine(/slow begins/)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      app.kill(signal)
      if (signal === 'SIGTERM') await app.waitForLine(/draining/)
    }
    const [exitCode] = await app.result
    // Two signals that wait are delivered in an order of the kernel's.
    t.ok(exitCode === 129 || exitCode === 130)
    await slow
    t.match(at(path), {
      final: true,
      verdict: 'failed',
      exitCode,
      requests: [{ route: '/slow' }],
      summary: `shutdown by SIGTERM was not over: the process exited with code ${exitCode} in phase 'draining', `
        + 'with 1 request in flight'
    })
  })

  t.test("somebody else's process.exit", async (t) => {
    const path = file(t)
    const app = fork('foreign.js', { given: { who: 'exit', options: { ...options(path), otherListeners: 'beside' } } })
    const url = await listening(app)
    const slow = fetch(`${url}/slow?ms=20000`).catch(() => {})
    await app.waitForLine(/slow begins/)
    app.kill('SIGTERM')
    t.match(await app.result, [7, null])
    await slow
    t.match(at(path), {
      final: true,
      verdict: 'failed',
      exitCode: 7,
      summary: /the process exited with code 7 in phase 'draining', with 1 request in flight$/
    })
  })
})

t.test('neither a worker thread nor a worker of node:cluster speaks for the container', async (t) => {
  const folder = t.testdir()
  const environment = pathToFileURL(join(folder, 'environment.js')).href
  await build({
    input: fileURLToPath(new URL('../../../lib/environment.ts', import.meta.url)),
    platform: 'node',
    external: /^@?\w/,
    logLevel: 'silent',
    output: { file: fileURLToPath(environment) }
  })
  const program = `
    import cluster from 'node:cluster'
    import { Worker } from 'node:worker_threads'
    const { readEnvironment } = await import('${environment}')
    const speaks = readEnvironment({}).speaksForContainer
    if (cluster.isWorker) process.send(speaks, () => process.disconnect())
    else {
      const thread = new Worker(\`import('${environment}').then(({ readEnvironment }) => require('node:worker_threads').parentPort.postMessage(readEnvironment({}).speaksForContainer))\`, { eval: true })
      const inThread = await new Promise((resolve) => { thread.once('message', resolve) })
      cluster.setupPrimary({ exec: process.argv[1] })
      const inWorker = await new Promise((resolve) => { cluster.fork().once('message', resolve) })
      console.log(JSON.stringify({ speaks, inThread, inWorker }))
    }
  `
  const path = join(folder, 'program.mjs')
  writeFileSync(path, program)
  const { stdout } = await promisify(execFile)('env', ['-u', 'NODE_OPTIONS', process.execPath, path])
  t.same(JSON.parse(stdout), { speaks: true, inThread: false, inWorker: false })
})

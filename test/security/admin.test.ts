import { setTimeout as sleep } from 'node:timers/promises'
import { Writable } from 'node:stream'
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { authorizeTime } from '../../lib/admin/guard.ts'
import { Refusals } from '../../lib/admin/routes.ts'
import type { GracefulOptions, Report } from '../../lib/index.ts'
import { FakeClock } from '../health/fake-clock.ts'
import { build } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const token = 'a-token-of-16-or-more'
const kubelet = 'kube-lifecycle/1.34'

interface Line { level: number, msg: string, [field: string]: unknown }

/** An application whose log is kept. */
function logged (options: GracefulOptions): { app: FastifyInstance, lines: () => Line[] } {
  let text = ''
  const stream = new Writable({
    write (chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    }
  })
  const app = build({ watchdog: false, ...options }, { logger: { level: 'warn', stream } })
  return { app, lines: () => text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Line) }
}

// Scenario (Attacks, and failures of the plugin's own code): A page of another site, `authorize` that never answers,
// thousands of refused calls
t.test('a page of another site makes nobody act, whatever method and name the route has', async (t) => {
  let asked = 0
  const authorize = (): boolean => {
    asked++
    return true
  }
  const sites: Array<[name: string, headers: Record<string, string>, isAsked: boolean]> = [
    ['a kubelet', {}, true],
    ['the same origin', { 'sec-fetch-site': 'same-origin', origin: 'http://shop.example' }, true],
    ['somebody who typed it', { 'sec-fetch-site': 'none' }, true],
    ['another site', { 'sec-fetch-site': 'cross-site' }, false],
    ['another origin', { origin: 'https://evil.example' }, false],
    ['a sandboxed frame', { origin: 'null' }, false],
    ['another site under our origin', { 'sec-fetch-site': 'cross-site', origin: 'http://shop.example' }, false]
  ]
  const routes = ['POST drain', 'POST undrain', 'POST prestop', 'GET prestop']
  for (const [name, own, isAsked] of sites) {
    const headers = { host: 'shop.example', 'user-agent': kubelet, ...own }
    for (const route of routes) {
      const [method, path] = route.split(' ') as ['GET' | 'POST', string]
      asked = 0
      const app = build({ watchdog: false, admin: { authorize } })
      await app.ready()
      if (path === 'undrain') await app.inject({ method: 'POST', url: '/-/drain', headers: { host: 'shop.example' } })
      const before = app.graceful.phase
      asked = 0
      const { statusCode } = await app.inject({ method, url: `/-/${path}`, headers })
      t.strictSame([statusCode, asked], isAsked ? [200, 1] : [401, 0], `${route} of ${name}`)
      if (!isAsked) t.equal(app.graceful.phase, before, 'nothing has happened')
      await app.close()
    }
  }
})

// Scenario, too: A page of another site…
t.test('authorize that never answers', async (t) => {
  const { app, lines } = logged({ admin: { authorize: () => new Promise<boolean>(() => {}) } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const watch = new Stopwatch(process.pid)
  const codes = await Promise.all([
    app.inject({ method: 'POST', url: '/-/drain' }),
    app.inject({ method: 'POST', url: '/-/prestop' }),
    app.inject({ method: 'GET', url: '/-/prestop', headers: { 'user-agent': kubelet } }),
    app.inject({ url: '/-/status' })
  ].map(async (response) => (await response).statusCode))
  t.strictSame(codes, [401, 401, 401, 200], 'refused, and shown what anyone may see')
  inTime(t, watch.stop(), [authorizeTime.usual - 100, authorizeTime.usual + 1500], 'after')
  const told = "option 'admin.authorize' did not answer in time, access denied"
  t.equal(lines().filter(({ level, msg }) => level === 50 && msg.includes(told)).length, 1, 'told once')
  await app.close()
})

// Scenario, too: A page of another site…
t.test('authorize that never answers holds no phase', async (t) => {
  const { app } = logged({ admin: { authorize: () => new Promise<boolean>(() => {}) }, exit: false })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const pending = ['drain', 'prestop'].map(async (name) => app.inject({ method: 'POST', url: `/-/${name}` }))
  pending.push(Promise.resolve(app.inject('/-/status')))
  await sleep(50)
  const watch = new Stopwatch(process.pid)
  const report: Report = await app.graceful.shutdown()
  const draining = report.phases.find(({ phase }) => phase === 'draining')
  const time = draining?.duration ?? Infinity
  inTime(t, { time, late: watch.stop().late }, [0, authorizeTime.draining + 500], 'draining took')
  t.equal(report.verdict, 'clean')
  for (const response of await Promise.all(pending)) t.ok([200, 401].includes(response.statusCode))
})

// Scenario, too: A page of another site…
t.test('refused calls do not fill the log', async (t) => {
  const { app, lines } = logged({ admin: { token } })
  for (let count = 0; count < 500; count++) {
    await app.inject({ method: 'POST', url: '/-/drain' })
    await app.inject({ method: 'POST', url: '/-/drain', headers: { authorization: `Bearer ${count}` } })
    await app.inject({ method: 'POST', url: '/-/prestop', remoteAddress: count % 2 === 0 ? '10.0.0.1' : '10.0.0.2' })
  }
  const said = lines().map(({ msg, remoteAddress: from }) => `${String(from)} ${msg.replace('fastify-graceful: ', '')}`)
  t.strictSame(said, [
    '127.0.0.1 POST /-/drain refused: no credentials', '127.0.0.1 POST /-/drain refused: wrong credentials',
    '10.0.0.1 POST /-/prestop refused: no credentials', '10.0.0.2 POST /-/prestop refused: no credentials'
  ])
  await app.close()
})

// Scenario, too: A page of another site…
t.test('the first of each kind and source, then a count a minute', async (t) => {
  const clock = new FakeClock()
  const lines: string[] = []
  const refusals = new Refusals({ warn: (_details, message) => { lines.push(message) } }, clock.after)
  const add = (kind: string, source: string, count = 1): void => {
    for (let index = 0; index < count; index++) refusals.add(kind, source, {}, `${kind} of ${source}`)
  }
  const taken = (): string[] => lines.splice(0)
  add('a', '1', 1000)
  add('b', '1', 5)
  add('a', '2')
  t.strictSame(taken(), ['a of 1', 'b of 1', 'a of 2'])
  await clock.pass(60_000)
  t.strictSame(taken(), ['1003 more admin calls were refused in the last minute'])
  add('a', '1')
  add('a', '2')
  t.strictSame(taken(), ['a of 2'], 'what has come again meanwhile is no first one; what has rested is')
  await clock.pass(60_000)
  t.strictSame(taken(), ['1 more admin call was refused in the last minute'])
  await clock.pass(120_000)
  t.strictSame([taken(), clock.timers], [[], 0], 'no timer is left')
  for (let index = 0; index < 5000; index++) add('a', `10.0.${index >> 8}.${index & 255}`)
  t.equal(taken().length, 32, 'whatever the number of sources')
  await clock.pass(60_000)
  t.strictSame(taken(), ['4968 more admin calls were refused in the last minute'])
})

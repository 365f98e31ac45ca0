import { Registry } from 'prom-client'
import t from 'tap'
import { ThreadRequests, largestMetrics } from '../../lib/watchdog/main/requests.ts'
import type { ToThread } from '../../lib/watchdog/protocol.ts'
import { Scrape } from '../../lib/watchdog/thread/scrape.ts'
import type { WatchedApplication } from '../../lib/watchdog/main/types.ts'
import { fork, listening } from '../process/fork.ts'

const type = Registry.PROMETHEUS_CONTENT_TYPE
const token = 'a-token-of-enough-length'
const headers = { authorization: `Bearer ${token}` }

t.setTimeout(60_000)

t.test('what the main thread gives the watchdog is bounded', async (t) => {
  const warnings: string[] = []
  const posted: ToThread[] = []
  let text = ''
  const log = { warn: (_details: object, message: string) => { warnings.push(message) } }
  const application = { log, metrics: async () => ({ text, type }) } as unknown as WatchedApplication
  const errands = new ThreadRequests(new Set([application]), (message) => { posted.push(message) })
  const ask = async (): Promise<ToThread & { type: 'metrics' }> => {
    errands.run({ type: 'metrics' })
    await new Promise(setImmediate)
    return posted.pop() as ToThread & { type: 'metrics' }
  }
  for (const [given, fits] of [
    ['', true], ['a 1\n', true], ['x'.repeat(largestMetrics), true], ['x'.repeat(largestMetrics + 1), false],
    ['ü'.repeat(largestMetrics / 2 + 1), false], ['x'.repeat(5 * largestMetrics), false], ['a 2\n', true]
  ] as const) {
    text = given
    const { metrics } = await ask()
    if (fits) {
      t.strictSame(metrics, { text, type }, `${given.length} characters`)
    } else {
      t.match(metrics, {
        refused: new RegExp(`take ${Buffer.byteLength(given)} bytes.*${largestMetrics} at most.*own port`)
      })
    }
    const scrape = new Scrape(() => 0, () => {})
    scrape.receive(metrics)
    t.same(
      await scrape.read(false, () => { throw new Error('nothing is edited') }).catch(() => ({ text, type })),
      metrics,
      'handed on'
    )
  }
  t.equal(warnings.length, 1, 'told once')
})

t.test('a registry of 3 MB and 200 requests in flight leave the watchdog alive', async (t) => {
  const app = fork('../../watchdog/fixtures/large.js', { given: { token, megabytes: 3, requests: 200 } })
  const url = await listening(app)
  const [, port] = await app.waitForLine(/^watchdog watching (\d+)$/m)
  const watchdog = `http://127.0.0.1:${port}`
  await app.waitForLine(/^all in flight$/m)
  interface Told { requests?: object[], applications?: object[] }
  let told: Told = {}
  // Where the main thread is late, the watchdog says what it knows itself.
  while (told.requests === undefined) told = await (await fetch(`${watchdog}/-/status`, { headers })).json() as Told
  t.equal(told.requests.length, 50)
  const refused =
    /^the metrics take \d+ bytes, and the watchdog's port serves 2097152 at most: scrape the application's own port\n$/
  let text = 'no metrics yet\n'
  while (text === 'no metrics yet\n') {
    const metrics = await fetch(`${watchdog}/metrics`)
    t.equal(metrics.status, 503)
    text = await metrics.text()
  }
  t.match(text, refused)
  t.ok((await (await fetch(`${url}/-/metrics`)).text()).length > 3e6, 'the application serves it')
  t.notMatch(app.output(), /the watchdog has died/)
  app.kill('SIGKILL')
  await app.result
})

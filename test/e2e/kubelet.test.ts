// What the chart renders, lived through: the example service as pods under a kubelet, behind HAProxy, under load.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { template } from '../chart/render.ts'
import type { Values } from '../chart/render.ts'
import { readImage } from './kubelet/image.ts'
import { onlyContainer, readManifest } from './kubelet/manifest.ts'
import type { Manifest } from './kubelet/manifest.ts'
import { Pod } from './kubelet/pod.ts'
import type { Departure } from './kubelet/pod.ts'
import { shopUsers } from './kubelet/shop.ts'
import { until } from './kubelet/until.ts'
import { update } from './kubelet/update.ts'
import type { UpdateOptions, UpdateResult } from './kubelet/update.ts'
import { ensureBuilt } from './replicas.ts'
import { wasUnseen } from './rollout.ts'

t.setTimeout(200_000)
// Most of the time is waited, not worked.
t.jobs = 2
ensureBuilt()

const root = fileURLToPath(new URL('../../', import.meta.url))
const shop = readImage(join(root, 'examples/Dockerfile'), join(root, 'examples/service'))
const stuck = {
  ...shop,
  folder: join(root, 'test/e2e/kubelet/fixtures'),
  command: [...shop.command.slice(0, -1), 'stuck.js']
}

const short = {
  minReadySeconds: 1,
  terminationGracePeriodSeconds: 15,
  probes: { startup: { periodSeconds: 1 }, readiness: { periodSeconds: 1 } }
} satisfies Values
const modes = {
  none: {},
  sleep: { preStop: { mode: 'sleep', seconds: 5 } },
  http: { preStop: { mode: 'http' }, admin: { token: 'a-token-of-this-test-only' } }
} satisfies Record<string, Values>

async function render (values: Values, version = '1.34'): Promise<Manifest> {
  const { code, stdout, stderr } = await template({ ...short, ...values }, '--kube-version', version)
  if (code !== 0) throw new Error(stderr)
  return readManifest(stdout)
}

/** Lets an update begin now and be judged later: clusters are independent. */
function begin (values: Values, options: Partial<UpdateOptions> = {}): Promise<UpdateResult> {
  const result = render(values).then((manifest) => update(
    { manifest, image: shop, profiles: shopUsers, rate: 80, replicas: 2, endpointAfter: 2000, warmUp: 4000, ...options }
  ))
  result.catch(() => {})
  return result
}

/** The termination message, as one reads it from the pod's status. */
function messageOf (t: Test, { name, message }: Departure): Record<string, unknown> {
  t.ok(message.length > 0 && Buffer.byteLength(message) <= 4096, `${name} leaves ${Buffer.byteLength(message)} bytes`)
  t.notMatch(message, '\n', 'in one line')
  return JSON.parse(message) as Record<string, unknown>
}

function leftInOrder (t: Test, departure: Departure, grace: number): void {
  const { name, code, signal, wasKilled, took, waited, probes, log } = departure
  const warnings = log.filter(({ level = 0, event }) => level >= 40 || event === 'output')
  t.same(
    { code, signal, wasKilled },
    { code: 0, signal: null, wasKilled: false },
    `${name} exits by itself`,
    { warnings }
  )
  t.ok(
    took - waited < grace * 1000,
    `${name} is gone inside ${grace} s, after ${took} ms, ${Math.round(waited)} of them in a queue for a processor`
  )
  t.same(warnings, [], 'and complains of nothing')
  const message = messageOf(t, departure)
  t.match(message, { final: true, verdict: 'clean', phase: 'terminated', exitCode: 0, kind: 'shutdown' })
  const failing = probes.filter(({ outcome }) => outcome === 503)
  t.ok(failing.length > 0, 'the kubelet hears that it is not ready', { probes })
  t.match(
    message['traffic'],
    { probes: [{ prober: 'kube-probe', answers: failing.length }] },
    'as often as the message says'
  )
}

function lostNothing (t: Test, result: UpdateResult, grace = 15): void {
  t.equal(result.departures.length, 2, 'all of them were replaced')
  t.same(result.restarts, [], 'no container would have been restarted')
  for (const departure of result.departures) leftInOrder(t, departure, grace)
  t.ok(result.requests >= 80 * 6, `${result.requests} requests were sent on ${result.connections} connections`)
  t.same(result.byKind, {}, 'nothing is lost', {
    losses: result.losses.slice(0, 20),
    longestPause: result.longestPause,
    departures: result.departures
  })
}

t.test('rolling updates', async (t) => {
  const none = begin(modes.none)
  const sleep = begin(modes.sleep)
  // Nothing but new connections: without one in the last second before the listener closes nobody could know.
  const late = begin(
    modes.none,
    { replicas: 1, rate: 40, endpointAfter: 11_000, profiles: shopUsers.filter(({ keepAlive }) => keepAlive === false) }
  )

  await t.test('SIGTERM does it all: nothing is lost, and no pod meets SIGKILL', async (t) => {
    const result = await none
    lostNothing(t, result)
    for (const { preStop, graceAfterSignal } of result.departures) t.same([preStop, graceAfterSignal], [undefined, 15])
  })

  await t.test('a preStop hook that sleeps for a third of the grace period', async (t) => {
    const result = await sleep
    lostNothing(t, result)
    for (const { preStop, graceAfterSignal } of result.departures) {
      t.match({ preStop, graceAfterSignal }, { preStop: { outcome: 'done', subtracted: 5 }, graceAfterSignal: 10 })
    }
  })

  await t.test('an endpoint that goes too late loses what came after the cap, and the message says what to change',
    async (t) => {
      const { losses, departures: [departure], restarts } = await late
      t.same(restarts, [])
      t.match(departure, { code: 0, signal: null, wasKilled: false })
      t.ok(losses.length > 0, 'so it would have been counted above')
      const beginOf = (name: string): number =>
        departure!.log.find((line) => line.event === 'graceful.phase' && line['phase'] === name)!.time!
      const closed = { from: beginOf('closing'), to: beginOf('draining') }
      const seen = losses.filter((loss) => !wasUnseen(loss, closed))
      t.same(seen, [], 'nothing is lost on a connection that the pod had accepted')
      const { traffic, advice } = messageOf(t, departure!) as { traffic: { lateArrivals: number }, advice: string[] }
      t.ok(traffic.lateArrivals > 0)
      t.match(advice, [/^\d+ new connections? .* Raise the grace period/])
    })

  const http = begin(modes.http)
  const usual = begin({ terminationGracePeriodSeconds: 30, announce: { blindSeconds: 8 } })

  await t.test('a preStop hook that calls the plugin', async (t) => {
    const result = await http
    lostNothing(t, result)
    for (const { preStop, message } of result.departures) {
      t.equal(preStop?.outcome, 200, 'the token is accepted')
      t.ok(preStop!.subtracted >= 5, 'the call lasts as long as the announcement does', { preStop, message })
    }
  })

  await t.test('with 30 s of grace', async (t) => {
    lostNothing(t, await usual, 30)
  })
})

/** Starts a pod whose handler never ends, and lets a client ask for something. */
async function startStuck (t: Test, manifest: Manifest): Promise<{ pod: Pod, answer: Promise<string> }> {
  const pod = await Pod.start({ name: 'stuck-1', manifest, image: stuck })
  t.teardown(() => pod.destroy())
  await pod.untilReady()
  const answer = fetch(`http://127.0.0.1:${pod.port}/reports/7?secret=of-the-client`)
    .then(({ status }) => `status ${status}`, () => 'cut')
  await until(() => pod.log.some(({ event }) => event === 'report'), 'the request had arrived')
  return { pod, answer }
}

t.test('a pod whose handler never ends', { jobs: 5 }, async (t) => {
  const cases: Array<[name: string, values: Values, version?: string]> = [
    ['none', modes.none],
    ['sleep, where the API server has no such action', modes.sleep, '1.29'],
    ['http', modes.http]
  ]
  for (const [name, values, version] of cases) {
    t.test(`preStop ${name}: it is gone before SIGKILL, and says which request held it`, async (t) => {
      const { pod, answer } = await startStuck(t, await render(values, version))
      const departure = await pod.delete()
      const { code, signal, wasKilled, took, waited } = departure
      t.same({ code, signal, wasKilled }, { code: 1, signal: null, wasKilled: false })
      t.ok(took - waited < 15_000, `after ${took} ms, ${Math.round(waited)} of them in a queue for a processor`)
      t.equal(await answer, 'cut')
      const message = messageOf(t, departure)
      t.match(message, {
        final: true,
        verdict: 'cut',
        exitCode: 1,
        cut: { requests: [{ method: 'GET', route: '/reports/:id', age: Number }] }
      })
      t.notMatch(departure.message, 'secret', 'and nothing of what the client sent')
    })
  }

  t.test('killed all the same, its message is not empty', async (t) => {
    const { pod, answer } = await startStuck(
      t,
      await render({ announce: { minSeconds: 0, blindSeconds: 0, maxSeconds: 1 } })
    )
    const departure = await pod.delete(3)
    t.same([departure.wasKilled, departure.signal], [true, 'SIGKILL'])
    t.equal(await answer, 'cut')
    t.match(messageOf(t, departure), {
      final: false,
      verdict: 'unfinished',
      phase: 'draining',
      requests: [{ method: 'GET', route: '/reports/:id', age: Number }]
    })
  })

  t.test('a manifest of which the process knows less than the kubelet is found out', async (t) => {
    const manifest = await render(modes.none)
    onlyContainer(manifest.deployment.spec.template.spec).lifecycle = { preStop: { sleep: { seconds: 12 } } }
    const { pod } = await startStuck(t, manifest)
    const departure = await pod.delete()
    // The announcement lasts longer, on a busy machine, too.
    t.match(departure, { wasKilled: true, signal: 'SIGKILL', graceAfterSignal: 3 })
    t.match(
      messageOf(t, departure),
      { final: false, verdict: 'unfinished', phase: 'announcing', gracePeriod: 15_000, preStop: 0 }
    )
  })
})

t.test('the manifest of docs/guides/kubernetes.md makes a pod that becomes ready', async (t) => {
  const [, yaml = ''] = /```yaml\n(apiVersion: apps\/v1\n[^`]+)```/.exec(
    readFileSync(join(root, 'docs/guides/kubernetes.md'), 'utf8')
  ) ?? []
  const pod = await Pod.start({ name: 'shop-1', manifest: readManifest(yaml), image: shop })
  t.teardown(() => pod.destroy())
  await pod.untilReady()
  t.same(pod.log.filter(({ level = 0, event }) => level >= 40 || event === 'output'), [], 'and complains of nothing')
})

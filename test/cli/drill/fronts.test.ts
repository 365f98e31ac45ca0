import { readFile } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import type { Endpoint, Front } from '../../../lib/drill/fronts.ts'
import { frontNamed, frontPresets } from '../../../lib/drill/fronts.ts'
import { probe } from '../../../lib/drill/processes.ts'
import { startFront } from '../../../lib/drill/health-checks.ts'
import { platforms } from '../../../lib/platform/detect.ts'

interface ChartPreset {
  terminationGracePeriodSeconds: number
  announce?: { minSeconds: number, blindSeconds: number }
  service?: { annotations?: Record<string, string> }
}

/** What the chart calls a front. */
const inChart = {
  'kube-proxy': 'clusterIP', 'ingress-nginx': 'ingress-nginx', alb: 'alb', nlb: 'nlb', 'gke-neg': 'gke-neg',
  'gke-l4': 'gke-l4', envoy: 'envoy-gateway'
} as const

async function chartPresets (): Promise<Record<string, ChartPreset>> {
  const file = await readFile(new URL('../../../charts/graceful-lib/templates/_presets.tpl', import.meta.url), 'utf8')
  const found = file.matchAll(/define "graceful-lib\.preset\.([\w-]+)" -\}\}\n([\s\S]*?)\n\{\{- end -\}\}/g)
  return Object.fromEntries([...found].map(([, name, yaml]) => [name, parse(yaml!) as ChartPreset]))
}

t.test('the fronts of Kubernetes are the presets of the chart', async (t) => {
  const presets = await chartPresets()
  for (const [name, front] of Object.entries(frontPresets)) {
    if (front.platform !== 'kubernetes') continue
    const preset = presets[inChart[name as keyof typeof inChart]]!
    t.equal(front.grace, preset.terminationGracePeriodSeconds * 1000, `${name}: grace period`)
    const [, latest = 0] = front.lag ?? []
    const { interval = 0, failures = 0 } = front.checks?.isLocal === true ? {} : front.checks ?? {}
    // Where a check is quicker than the news, it takes the pod out.
    const most = Math.min(latest || Infinity, interval * failures || Infinity)
    const { minSeconds = 5, blindSeconds = 15 } = preset.announce ?? {}
    t.ok(most <= minSeconds * 1000, `${name}: out after ${most} ms, within announce.min`)
    t.ok(minSeconds <= blindSeconds)
    const annotations = Object.entries(preset.service?.annotations ?? {})
    const annotated = (part: string): number => Number(annotations.find(([key]) => key.includes(part))?.[1] ?? Number.NaN)
    if (name === 'alb' || name === 'nlb') {
      t.same([interval / 1000, failures], [annotated('interval'), annotated('unhealthy-threshold')], `${name}: checks`)
    }
  }
  const kubelet = /readiness: \{ enabled: true, periodSeconds: (\d+), timeoutSeconds: (\d+), failureThreshold: (\d+) \}/
    .exec(await readFile(new URL('../../../charts/graceful-lib/templates/_settings.tpl', import.meta.url), 'utf8'))
  const { interval, timeout, failures } = frontPresets['gke-l4']!.checks!
  t.same([interval / 1000, timeout / 1000, failures], kubelet?.slice(1).map(Number), 'the probe that Local goes by')
})

t.test('the fronts of other platforms are those of lib/platform', (t) => {
  for (const [name, { platform, grace, lag }] of Object.entries(frontPresets)) {
    if (platform === undefined) continue
    const known = platforms.find((one) => one.name === platform)
    t.ok(known, `${name}: ${platform}`)
    if (platform === 'kubernetes') continue
    t.equal(grace, known!.grace * 1000, `${name}: grace period`)
    if (known!.front === 'before') t.ok(lag![1] < 0, `${name} stops before the signal`)
    else t.equal(lag![1], known!.late![0] * 1000, `${name}: the last of it`)
  }
  t.end()
})

t.test('a front by its name, or by its seconds', (t) => {
  t.equal(frontNamed('alb')?.grace, 60_000)
  t.same(frontNamed('2.5')?.lag, [2500, 2500])
  t.same(frontNamed('0')?.lag, [0, 0])
  for (const name of ['', 'elb', '-1', '1s', '3601', 'toString', '1e3']) t.equal(frontNamed(name), undefined, name)
  t.end()
})

/** A replica in this process. */
async function replica (t: Pick<Test, 'teardown'>, name: string, listener: RequestListener):
Promise<{ endpoint: Endpoint, server: Server }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return { endpoint: { name, host: '127.0.0.1', port: (server.address() as AddressInfo).port }, server }
}

interface Answer { status: number | string, body: string, localPort: number | undefined }

function ask (front: Front, path: string, agent?: Agent, body?: Buffer): Promise<Answer> {
  return new Promise((resolve) => {
    let localPort: number | undefined
    const fail = (error: NodeJS.ErrnoException): void => resolve({ status: error.code ?? error.message, body: '', localPort })
    const sent = request({
      host: front.host, port: front.port, path, agent: agent ?? false, method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? {} : { 'transfer-encoding': 'chunked' }
    })
    sent.once('socket', (socket) => socket.once('connect', () => { localPort = socket.localPort }))
    sent.on('error', fail)
    sent.once('response', (answer: IncomingMessage) => {
      text(answer).then((body) => resolve({ status: answer.statusCode!, body, localPort }), fail)
    })
    sent.end(body)
  })
}

const checking = { path: '/readyz', isOptional: false, ask: probe }

// Scenario (The rehearsal of an update): What is in front: kept connections, health checks of its own, nobody who tells
// it
t.test('a pool keeps its connections, goes on with those in rotation, and cuts what a replica cuts', async (t) => {
  const ports = new Set<number>()
  const { endpoint, server } = await replica(t, 'one', (incoming, reply) => {
    ports.add(incoming.socket.remotePort!)
    if (incoming.url === '/cut') {
      reply.writeHead(200, { 'content-length': 100 }).write('half')
      setTimeout(() => incoming.socket.destroy(), 50)
    } else if (incoming.url === '/reset') incoming.socket.resetAndDestroy()
    else if (incoming.url === '/echo') incoming.pipe(reply)
    else reply.writeHead(200, { connection: 'keep-alive', 'x-own': 'yes' }).end(incoming.url)
  })
  server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: it\r\n\r\nhello'))
  const front = await startFront({ title: '', grace: 0, pool: 60_000 }, checking, () => {})
  t.teardown(() => front.close())
  const nobody = await ask(front, '/')
  t.equal(nobody.status, 'ECONNRESET', 'nobody is there')
  t.match(front.trace(nobody.localPort!, 0), { endpoint: undefined, isRefused: true })
  await front.add(endpoint)
  for (let index = 0; index < 20; index++) t.match(await ask(front, `/${index}`), { status: 200, body: `/${index}` })
  t.equal(ports.size, 1, '20 connections of clients are one to the replica')
  t.equal(front.connections?.(endpoint), 1)
  const body = Buffer.alloc(200_000, 'x')
  t.match(await ask(front, '/echo', undefined, body), { status: 200, body: String(body) })
  const reset = await ask(front, '/reset')
  t.equal(reset.status, 'ECONNRESET')
  t.match(front.trace(reset.localPort!, 0), { endpoint: 'one', isRefused: false, isReused: true })
  t.equal((await ask(front, '/cut')).status, 'ECONNRESET', 'a cut answer is cut for the client, too')
  const socket = connect(front.port, front.host)
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: it\r\n\r\n')
  t.match(await text(socket), /^HTTP\/1.1 101 [\s\S]*hello$/)
  await front.remove(endpoint)
  t.equal(front.has(endpoint), false)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  t.equal((await ask(front, '/', agent)).status, 'ECONNRESET')
  const gone: Endpoint = { name: 'gone', host: '127.0.0.1', port: 1 }
  await front.add(gone)
  const refused = await ask(front, '/')
  t.match(front.trace(refused.localPort!, 0), { endpoint: 'gone', isRefused: true, isReused: false })
})

// Scenario, too: What is in front…
t.test('health checks take a replica out after its failures, and bring it back', async (t) => {
  let status = 200
  const agents = new Set<string | undefined>()
  const { endpoint } = await replica(t, 'one', (incoming, reply) => {
    agents.add(incoming.headers['user-agent'])
    reply.writeHead(status).end()
  })
  const notices: boolean[] = []
  const checks = { interval: 30, timeout: 1000, failures: 2, successes: 2, userAgent: 'it' }
  const front = await startFront({ title: '', grace: 0, checks }, checking, (_, isIn) => notices.push(isIn))
  t.teardown(() => front.close())
  await front.add(endpoint)
  const until = async (isIn: boolean): Promise<void> => { while (front.has(endpoint) !== isIn) await sleep(5) }
  status = 503
  await until(false)
  status = 204
  await until(true)
  t.same(notices, [false, true])
  t.same([...agents], ['it'])
  await front.remove(endpoint)
  await sleep(100)
  t.equal(front.has(endpoint), false, 'who was removed is not asked any more')
})

// Scenario, too: What is in front…
t.test('with externalTrafficPolicy: Local a replica that is not ready gets connections, which are refused', async (t) => {
  const { endpoint } = await replica(t, 'one', (incoming, reply) => {
    reply.writeHead(incoming.url === '/readyz' ? 503 : 200).end('ok')
  })
  const checks = { interval: 20, timeout: 1000, failures: 2, successes: 1, isLocal: true }
  const front = await startFront({ title: '', grace: 0, checks }, checking, () => t.fail('it is in rotation'))
  t.teardown(() => front.close())
  await front.add(endpoint)
  let answer = await ask(front, '/')
  t.equal(answer.status, 200)
  while (answer.status === 200) answer = await ask(front, '/')
  // One that is reset at once has no port yet.
  const { localPort } = answer
  if (localPort !== undefined) t.match(front.trace(localPort, 0), { endpoint: 'one', isRefused: true })
  t.equal(front.has(endpoint), true)
})

// Scenario, too: What is in front…
t.test('a front that nobody tells sends to a replica until it refuses', async (t) => {
  const { endpoint, server } = await replica(t, 'one', (_request, reply) => { reply.end('ok') })
  const notices: string[] = []
  const front = await startFront({ title: '', grace: 0, isPassive: true }, checking, ({ name }, isIn) => notices.push(`${name} ${isIn}`))
  t.teardown(() => front.close())
  await front.add(endpoint)
  t.equal((await ask(front, '/')).status, 200)
  await new Promise((resolve) => server.close(resolve).closeAllConnections())
  t.equal(front.has(endpoint), true)
  t.equal((await ask(front, '/')).status, 'ECONNRESET')
  t.equal(front.has(endpoint), false)
  t.equal((await ask(front, '/')).status, 'ECONNRESET')
  t.same(notices, ['one false'])
})

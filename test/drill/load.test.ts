import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createHttpServer } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { startBalancer } from '../../lib/drill/balancer.ts'
import { causeOf } from '../../lib/drill/exchange.ts'
import { startLoad } from '../../lib/drill/load.ts'
import type { LoadResult } from '../../lib/drill/load.ts'
import { claimPort } from '../../lib/drill/processes.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { countByKind, Tally } from '../../lib/drill/losses.ts'
import { prefer } from '../e2e/replicas.ts'

t.setTimeout(120_000)
// The clients stand for a network, which does not pause because this machine is busy.
prefer(process.pid, -10)

const answer = (body: string, length = body.length): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\n\r\n${body}`

async function listen (t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** A server that does this with the text of each request. */
const raw = (t: Test, act: (socket: Socket, count: number) => void): Promise<number> =>
  listen(t, createServer((socket) => {
    let count = 0
    socket.on('data', () => act(socket, ++count))
  }))

async function run (
  port: number,
  { ms = 150, rate = 100, timeout = 60_000, ...profile }:
    Partial<RequestProfile> & { ms?: number, rate?: number, timeout?: number } = {}
): Promise<LoadResult> {
  const load = startLoad({
    port, rate, timeout, profiles: [{ name: 'one', path: '/', isRight: (body) => String(body) === 'ok', ...profile }]
  })
  await new Promise((resolve) => { setTimeout(resolve, ms) })
  return await load.stop()
}

/** All requests are lost, and all in this way. */
function allLost (t: Test, { requests, losses }: LoadResult, kind: string): void {
  t.ok(requests > 0)
  t.same(countByKind(losses), { [kind]: requests }, kind, { loss: losses[0] })
}

// Scenario (The rehearsal of an update): Each way to lose a request is told from the others, and one lost request in
// 500 is found
t.test('each way to lose a request has its kind', async (t) => {
  allLost(t, await run(await claimPort()), 'refused')
  allLost(t, await run(await raw(t, (socket) => socket.resetAndDestroy())), 'reset-new')
  allLost(t, await run(await raw(t, (socket) => socket.end())), 'reset-new')
  allLost(t, await run(await raw(t, (socket) => socket.end(answer('ok', 5)))), 'truncated')
  allLost(t, await run(await raw(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n', () => socket.resetAndDestroy())
  })), 'truncated')
  allLost(t, await run(await raw(t, () => {}), { timeout: 200 }), 'timeout')
  allLost(t, await run(await raw(t, (socket) => socket.write(answer('no')))), 'wrong-answer')
  const unread = await run(
    await raw(t, (socket) => socket.write(answer('no'))),
    { isRight: (body) => Boolean(JSON.parse(String(body))) }
  )
  allLost(t, unread, 'wrong-answer')
  t.match(unread.losses[0]!.detail, 'SyntaxError', 'what a check cannot read is wrong')
  for (const [status, kind] of [[503, 'answered-5xx'], [500, 'answered-5xx'], [404, 'wrong-answer']] as const) {
    const server = createHttpServer((_request, reply) => { reply.writeHead(status).end('ok') })
    allLost(t, await run(await listen(t, server)), kind)
  }
})

// Scenario, too: Each way to lose a request is told from the others…
t.test('a kept-alive connection that ends under its second request is told apart', async (t) => {
  const port = await raw(t, (socket, count) => count === 1 ? socket.write(answer('ok')) : socket.resetAndDestroy())
  const { requests, losses } = await run(port, { burst: 4, ms: 300 })
  t.ok(losses.length > 0 && losses.length < requests, `${losses.length} of ${requests}`)
  t.ok(losses.every(({ kind, isReused }) => kind === 'reset-reused' && isReused))
  const fresh = await run(port, { keepAlive: false, ms: 300 })
  t.same(fresh.losses, [], 'whoever takes a new connection for each request loses none')
  t.equal(fresh.connections, fresh.requests)
})

const cause = (code: string, hasAnswer = false): string => causeOf(Object.assign(new Error(code), { code }), hasAnswer)

t.test('what is the own machine\'s failure is not blamed on the service', (t) => {
  t.same(['EMFILE', 'EADDRNOTAVAIL', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].map((code) => cause(code)),
    ['not-sent', 'not-sent', 'refused', 'ended', 'ended'])
  t.equal(causeOf(Object.assign(new Error(), { code: 'ECONNRESET', syscall: 'connect' }), false), 'refused')
  t.equal(cause('ECONNRESET', true), 'truncated')
  t.end()
})

// Scenario (The rehearsal of an update): Slow answers do not lower the load
t.test('the rate stays where answers are slow: more users come', async (t) => {
  let most = 0
  let current = 0
  const server = createHttpServer((_request, reply) => {
    most = Math.max(most, ++current)
    setTimeout(() => {
      current--
      reply.end('ok')
    }, 200)
  })
  const port = await listen(t, server)
  const from = performance.now()
  const { requests, connections, losses } = await run(port, { ms: 1000, rate: 200 })
  const took = (performance.now() - from) / 1000
  t.same(losses, [])
  // Poisson: 200 ± 14 in the first second, and none while the last are answered.
  t.ok(requests > 130 && requests < 200 * took + 70, `${requests} requests in ${took} s`)
  t.ok(most > 15, `${most} at a time`)
  t.ok(connections >= most && connections < requests, `${connections} connections`)
})

// Scenario, too: Each way to lose a request is told from the others…
t.test('one lost request in 500 is found, and behind the balancer with its replica', async (t) => {
  let count = 0
  const server = createHttpServer((request, reply) => {
    if (++count === 250) request.socket.resetAndDestroy()
    else reply.end('ok')
  })
  const port = await listen(t, server)
  const balancer = await startBalancer()
  t.teardown(() => balancer.close())
  balancer.add({ name: 'the one', host: '127.0.0.1', port })
  const tally = new Tally()
  const load = startLoad({
    port: balancer.port,
    rate: 150,
    timeout: 60_000,
    profiles: [{ name: 'kept', path: '/', burst: 3 }, { name: 'fresh', path: '/', keepAlive: false }],
    tally,
    trace: (localPort, at) => balancer.trace(localPort, at)
  })
  while (tally.requests < 500) await new Promise((resolve) => { setTimeout(resolve, 20) })
  const { requests, losses } = await load.stop()
  t.equal(tally.requests, requests)
  t.equal(losses.length, 1, `of ${requests}`)
  t.match(losses[0], { kind: /^reset-/, replica: 'the one', method: 'GET' })
})

t.test('the balancer', async (t) => {
  const servers = await Promise.all(['a', 'b'].map(async (name) => ({
    name, host: '127.0.0.1', port: await listen(t, createHttpServer((_request, reply) => { reply.end(name) }))
  })))
  const balancer = await startBalancer()
  t.teardown(() => balancer.close())
  const trace = (localPort: number, at: number): unknown => balancer.trace(localPort, at)
  const ask = async (): Promise<{ names: string[], result: LoadResult }> => {
    const names = new Set<string>()
    const load = startLoad({
      port: balancer.port,
      rate: 200,
      profiles: [{ name: 'fresh', path: '/', keepAlive: false, isRight: (body) => names.add(String(body)).size > 0 }],
      trace: trace as typeof balancer.trace
    })
    await new Promise((resolve) => { setTimeout(resolve, 150) })
    return { result: await load.stop(), names: [...names].toSorted() }
  }
  const nobody = await ask()
  allLost(t, nobody.result, 'refused')
  t.equal(nobody.result.losses[0]!.replica, undefined)
  for (const server of servers) balancer.add(server)
  t.same((await ask()).names, ['a', 'b'])
  balancer.remove(servers[0]!)
  t.notOk(balancer.has(servers[0]!))
  t.same((await ask()).names, ['b'])
  balancer.remove(servers[1]!)
  const gone = { name: 'gone', host: '127.0.0.1', port: await claimPort() }
  balancer.add(gone)
  const refused = await ask()
  allLost(t, refused.result, 'refused')
  t.ok(refused.result.losses.every(({ replica, isReused }) => replica === 'gone' && !isReused))
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { LatencyRecorder } from '../../lib/drill/latency.ts'
import { startLoad } from '../../lib/drill/load.ts'
import { countByKind, Tally } from '../../lib/drill/losses.ts'

t.setTimeout(60_000)

async function serve (t: Test, answer: RequestListener): Promise<{ port: number, server: Server }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => { setTimeout(resolve, 5) })
}

/** The least value that this share of all is not above. */
function percentile (sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length / 100) - 1)]!
}

t.test('percentiles are those of the sorted times, to three digits', (t) => {
  const time = fc.oneof(fc.double({ min: 0.001, max: 20, noNaN: true }), fc.double({ min: 0.001, max: 60_000, noNaN: true }))
  fc.assert(fc.property(fc.array(time, { minLength: 1, maxLength: 2000 }), (times) => {
    const recorder = new LatencyRecorder()
    for (const took of times) recorder.record(took, 5000)
    const latency = recorder.read()
    const sorted = times.toSorted((a, b) => a - b)
    const shares = [['p50', 50], ['p90', 90], ['p99', 99], ['p999', 99.9], ['max', 100]] as const
    for (const [name, share] of shares) {
      const right = percentile(sorted, share)
      // Microseconds, and 1024 steps from one power of two to the next.
      if (Math.abs(latency[name] - right) > 0.001 + right / 1024) {
        throw new Error(`${name} is ${latency[name]}, not ${right}`)
      }
    }
    return latency.count === times.length && latency.series.length === 1 && latency.series[0]!.max === latency.max
  }), { numRuns: 200 })
  t.end()
})

t.test('each second has its row, and no answer is in two', (t) => {
  fc.assert(fc.property(fc.array(fc.nat(9000), { maxLength: 200 }), (moments) => {
    const recorder = new LatencyRecorder()
    for (const at of moments.toSorted((a, b) => a - b)) recorder.record(1, 50_000 + at)
    const { series, count } = recorder.read()
    const seconds = new Set(moments.map((at) => 50_000 + Math.floor(at / 1000) * 1000))
    return count === moments.length && series.reduce((sum, row) => sum + row.count, 0) === moments.length &&
      series.every(({ at }, index) => seconds.has(at) && at > (series[index - 1]?.at ?? 0)) &&
      series.length === seconds.size
  }))
  const recorder = new LatencyRecorder()
  for (const at of [3000, 1000, 3500]) recorder.record(1, at)
  t.same(recorder.read().series.map(({ at, count }) => [at, count]), [[3000, 3]], 'a clock that was set back')
  t.match(new LatencyRecorder().read(), { count: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, series: [] })
  t.end()
})

// Scenario (The rehearsal of an update): A request that has to wait for a connection counts from when it was due
t.test('a stall is seen by all requests that were due in it, also where connections are few', async (t) => {
  let stallUntil = 0
  const { port } = await serve(t, (_request, reply) => {
    setTimeout(() => reply.end('ok'), Math.max(1, stallUntil - performance.now()))
  })
  const tally = new Tally()
  const load = startLoad({
    port, rate: 60, connections: 2, timeout: 60_000, tally, profiles: [{ name: 'one', path: '/' }]
  })
  await until(() => tally.requests > 20)
  stallUntil = performance.now() + 1000
  await until(() => performance.now() > stallUntil && tally.requests > 150)
  const { latency, losses, connections, requests } = await load.stop()
  t.same(losses, [])
  t.ok(connections <= 2, `${connections} connections`)
  t.equal(latency.count, requests)
  // Some 60 requests are due in the second, and wait half of it on average; counted from their sending two would.
  t.ok(latency.p90 > 300, `p90 is ${latency.p90} ms`)
  t.ok(latency.max > 900, `at most ${latency.max} ms`)
})

t.test('connections are bounded over all groups, and those of another group make room', async (t) => {
  let most = 0
  const { port, server } = await serve(t, (_request, reply) => { setTimeout(() => reply.end('ok'), 10) })
  const open = new Set<unknown>()
  server.on('connection', (socket) => {
    open.add(socket)
    most = Math.max(most, open.size)
    socket.on('close', () => open.delete(socket))
  })
  const tally = new Tally()
  const load = startLoad({
    port, rate: 150, connections: 3, tally,
    profiles: [
      { name: 'a', path: '/a', group: 'kept', think: 500 }, { name: 'b', path: '/b', group: 'kept', think: 500 },
      { name: 'c', path: '/c', group: 'fresh', keepAlive: false }
    ]
  })
  await until(() => tally.requests > 200)
  const { losses, requests } = await load.stop()
  t.same(losses, [])
  t.ok(requests > 200)
  // One that was hung up is gone for the server a moment later.
  t.ok(most >= 2 && most <= 5, `${most} connections`)
})

t.test('what no connection was free for is the load\'s own loss', async (t) => {
  const { port } = await serve(t, () => {})
  const load = startLoad({ port, rate: 100, connections: 1, timeout: 300, profiles: [{ name: 'one', path: '/' }] })
  await new Promise((resolve) => { setTimeout(resolve, 500) })
  const { losses, requests } = await load.stop()
  const byKind = countByKind(losses)
  t.equal(losses.length, requests)
  t.ok(byKind.timeout! >= 1 && byKind['not-sent']! > byKind.timeout!, JSON.stringify(byKind))
  t.equal(Object.keys(byKind).length, 2)
  t.match(losses.find(({ kind }) => kind === 'not-sent'), { detail: 'none of 1 connections was free for 300 ms' })
})

t.test('a load without profiles sends nothing', async (t) => {
  const load = startLoad({ port: 1, rate: 1000, profiles: [] })
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.match(await load.stop(), { requests: 0, losses: [] })
})

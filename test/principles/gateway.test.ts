// P1 and P7 in a process of its own, with a real signal, under the load of clients that keep their connections.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Report } from '../../lib/index.ts'
import { fork, listening } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'
import { open, until } from '../traffic/support.ts'

const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1', TERMINATION_GRACE_PERIOD_SECONDS: '12', GRACEFUL_WATCHDOG_PORT: '' }

async function start (t: Test): Promise<{ gateway: Fork, port: number }> {
  const upstream = createServer((_request, response) => {
    response.writeHead(200, { connection: 'keep-alive', 'keep-alive': 'timeout=5' }).end('x')
  })
  await new Promise<void>((resolve) => { upstream.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { upstream.closeAllConnections(); upstream.close() })
  const gateway = fork('../../principles/fixtures/gateway.js', {
    given: { upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` },
    env: pod
  })
  return { gateway, port: Number(new URL(await listening(gateway)).port) }
}

function reportOf (output: string): Report {
  const line = output.split('\n').find((text) => text.includes('"graceful.report"'))
  if (line === undefined) throw new Error(`no report in ${output}`)
  return (JSON.parse(line) as { report: Report }).report
}

/** What the clients met: each keeps its connection until told to go, then opens another, and sends nothing twice. */
interface Met { answered: number, told: number, lost: string[] }

async function ask (port: number, path: string, met: Met): Promise<void> {
  const wire = await open(port)
  for (;;) {
    try {
      const { headers, body } = await wire.send(`GET ${path}`).reply(30_000)
      if (body.toString() !== 'x') met.lost.push(`${path}: ${body.toString()}`)
      met.answered++
      if (headers['connection'] === 'close') {
        met.told++
        return
      }
    } catch (error) {
      met.lost.push(`${path}: ${(error as Error).message}`)
      return
    }
    await sleep(20 * Math.random())
  }
}

// Scenario (Connections): A gateway whose upstream keeps its connections, pinned clients, a rolling update
t.test('pinned clients of a gateway lose nothing, and all who were told are counted', async (t) => {
  const { gateway, port } = await start(t)
  const met: Met = { answered: 0, told: 0, lost: [] }
  const clients = ['/proxied/', '/header', '/piped']
    .flatMap((path) => Array.from({ length: 8 }, async () => ask(port, path, met)))
  await until(() => met.answered > 100 || met.lost.length > 0, 'a load', 30_000)
  t.equal(met.told, 0, 'nobody is told while it runs')
  gateway.kill('SIGTERM')
  const [code, signal, output] = await gateway.result
  await Promise.all(clients)
  const report = reportOf(output)
  t.strictSame(met.lost, [])
  t.strictSame([code, signal], [0, null], JSON.stringify(report))
  t.match(report, { verdict: 'clean', cut: { requests: [], connections: [], byOthers: [] } })
  t.equal(report.traffic.shed, met.told, `${met.told} were told, of ${met.answered} answers`)
  t.equal(met.told, 24, 'each connection once')
})

// Scenario, too: A gateway whose upstream keeps its connections…
t.test('closeAllConnections of others is told as what it is', async (t) => {
  const { gateway, port } = await start(t)
  const wires = await Promise.all([1, 2, 3].map(async () => open(port)))
  for (const wire of wires) await wire.send('GET /header').reply()
  gateway.kill('SIGTERM')
  await gateway.waitForLine(/"graceful\.phase".*announcing/)
  const lost = wires[0]!.send('GET /others')
  await lost.end()
  t.equal(lost.text, '')
  const [code, signal, output] = await gateway.result
  const report = reportOf(output)
  t.strictSame([code, signal], [1, null])
  t.match(report, { verdict: 'cut', cut: { requests: [], byOthers: [{ method: 'GET', route: '/others' }] } })
  t.match(report.advice.join(), /look for closeAllConnections/)
})

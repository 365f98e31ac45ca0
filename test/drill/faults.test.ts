import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { DependencyProxy, readAddress } from '../../lib/drill/dependency.ts'
import { drillWithFault, ImpossibleFault } from '../../lib/drill/fault-drill.ts'
import type { FaultName, FaultRecord } from '../../lib/drill/faults.ts'

t.setTimeout(120_000)

const service = fileURLToPath(new URL('fixtures/service.js', import.meta.url))

async function rehearse (name: FaultName, shutdown: string, unset: readonly string[] = []): Promise<FaultRecord> {
  const { fault } = await drillWithFault({
    service: {
      command: ['env', ...unset, process.execPath, service],
      env: { ...process.env, SHUTDOWN: shutdown, STOCK: 'localhost:9' }
    },
    replicas: 2, replace: 1, rate: 20, profiles: [{ name: 'GET /slow', path: '/slow' }], grace: 2500, warmUp: 200, lag: 0
  }, name === 'dependency-down' ? { name, dependency: 'STOCK' } : { name })
  return fault
}

// Scenario, too: Each fault on demand…
t.test('faults, in the process that asks for them', async (t) => {
  for (const name of ['crash', 'slow-client', 'dependency-down'] as const) {
    const fault = await rehearse(name, name === 'crash' ? 'deaf' : 'plain')
    t.match(fault, { met: true, usesPlugin: false }, { fault })
  }
  await t.rejects(rehearse('oom', 'deaf', ['-u', 'NODE_OPTIONS']), { name: ImpossibleFault.name })
})

function rewritten (text: string): unknown {
  const address = readAddress(text)
  return address && [address.host, address.port, address.withPort('127.0.0.1', 7)]
}

t.test('where a dependency is, and how it is written with another port', async (t) => {
  t.same(rewritten('postgres://me:pa%20ss@db.local/shop?sslmode=disable'),
    ['db.local', 5432, 'postgres://me:pa%20ss@127.0.0.1:7/shop?sslmode=disable'])
  t.same(rewritten('REDIS://cache'), ['cache', 6379, 'REDIS://127.0.0.1:7'])
  t.same(rewritten('db.local:5000'), ['db.local', 5000, '127.0.0.1:7'])
  t.same(rewritten('http://[::1]:80/'), ['::1', 80, 'http://127.0.0.1:7/'])
  for (const bad of ['', 'db.local', 'a:1,b:2', 'kafka://one', 'x:0', 'x:70000', '/var/run/db.sock', 'a b:3']) {
    t.equal(rewritten(bad), undefined, bad)
  }
})

t.test('a dependency is there, away, and there again', async (t) => {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
  t.teardown(() => echo.close())
  await once(echo, 'listening')
  const proxy = new DependencyProxy({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port })
  await proxy.listen()
  t.teardown(() => proxy.close())
  const ask = async (): Promise<unknown> => {
    const socket = connect(proxy.port, proxy.host).on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.write('one')
    return await new Promise((resolve) => socket.once('data', (data) => resolve(String(data))).once('close', resolve))
  }
  const kept = connect(proxy.port, proxy.host).on('error', () => {})
  await once(kept, 'connect')
  t.equal(await ask(), 'one')
  const closed = new Promise((resolve) => kept.once('close', resolve))
  proxy.turn(true)
  await closed
  t.not(await ask(), 'one')
  proxy.turn(false)
  t.equal(await ask(), 'one')
})

import { once } from 'node:events'
import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import type { Verdict } from '../../lib/health/health.ts'
import type { CheckKind } from '../../lib/health/options.ts'
import { readPlain } from '../../lib/server/plain.ts'
import type { Supervisor } from '../../lib/supervisor/parent/supervisor.ts'
import { openStatus } from '../../lib/supervisor/parent/port.ts'
import { makeServer } from '../../lib/watchdog/thread/server.ts'
import type { ServerPorts } from '../../lib/watchdog/thread/routes.ts'
import { Client, until } from '../support/app.ts'

/** Requests that Node's server has seen. */
let seen = 0
subscribe('http.server.request.start', () => { seen++ })

const head = (line: string, ...fields: string[]): string => [line, ...fields, '', ''].join('\r\n')
const host = 'Host: localhost:8080'
const long = 'x'.repeat(1000)

// Scenario (Attacks, and failures of the plugin's own code): A probe and nothing else, as kubelets and balancers send
// it: what is taken for one, and that its answer and what is counted are those of Node's server
t.test('what is a plain question', async (t) => {
  const kubelet = head('GET /readyz HTTP/1.1', 'Host: 10.0.0.7:9000', 'User-Agent: kube-probe/1.34', 'Accept: */*',
    'Connection: close')
  t.strictSame(readPlain(Buffer.from(kubelet)), {
    method: 'GET', path: '/readyz', host: '10.0.0.7:9000', userAgent: 'kube-probe/1.34', accept: '*/*', isKept: false
  })
  const plain: Array<[name: string, text: string, isKept: boolean]> = [
    ['the shortest', head('GET /livez HTTP/1.1', host), true],
    ['HEAD', head('HEAD /livez HTTP/1.1', host), true],
    ['kept in words', head('GET /livez HTTP/1.1', host, 'CONNECTION: Keep-Alive'), true],
    ['HTTP/1.0', head('GET /livez HTTP/1.0'), false],
    ['HTTP/1.0, kept', head('GET /livez HTTP/1.0', 'Connection: keep-alive'), true],
    ['an empty host', head('GET /livez HTTP/1.1', 'Host:'), true],
    ['an address of IPv6', head('GET /livez HTTP/1.1', 'Host: [::1]:80', 'Accept-Encoding: gzip'), true],
    ['another path', head('GET /a/b.c~-_ HTTP/1.1', host), true]
  ]
  for (const [name, text, isKept] of plain) t.match(readPlain(Buffer.from(text)), { isKept }, name)
  const others: Array<[name: string, text: string]> = [
    ['nothing', ''],
    ['half of it', kubelet.slice(0, -2)],
    ['something behind it', `${kubelet}\n`],
    ['two', kubelet + kubelet],
    ['something before it', `\r\n${kubelet}`],
    ['another method', head('OPTIONS /readyz HTTP/1.1', host)],
    ['a method in small letters', head('get /readyz HTTP/1.1', host)],
    ['another version', head('GET /readyz HTTP/1.2', host)],
    ['HTTP/2', head('GET /readyz HTTP/2.0', host)],
    ['no version', head('GET /readyz', host)],
    ['a query', head('GET /readyz?verbose HTTP/1.1', host)],
    ['a path in other letters', head('GET /ready%7A HTTP/1.1', host)],
    ['a whole URL', head('GET http://localhost/readyz HTTP/1.1', host)],
    ['two spaces', head('GET  /readyz HTTP/1.1', host)],
    ['no host', head('GET /readyz HTTP/1.1')],
    ['two hosts', head('GET /readyz HTTP/1.1', host, host)],
    ['an odd host', head('GET /readyz HTTP/1.1', 'Host: a b')],
    ['a body', `${head('GET /readyz HTTP/1.1', host, 'Content-Length: 1')}x`],
    ['a body of no length', head('GET /readyz HTTP/1.1', host, 'Content-Length: 0')],
    ['chunks', head('GET /readyz HTTP/1.1', host, 'Transfer-Encoding: chunked')],
    ['an expectation', head('GET /readyz HTTP/1.1', host, 'Expect: 100-continue')],
    ['an upgrade', head('GET /readyz HTTP/1.1', host, 'Connection: upgrade', 'Upgrade: x')],
    ['two wishes', head('GET /readyz HTTP/1.1', host, 'Connection: close, keep-alive')],
    ['the same field twice', head('GET /readyz HTTP/1.1', host, 'Accept: a', 'Accept: b')],
    ['a field that nobody knows', head('GET /readyz HTTP/1.1', host, 'X-Other: a')],
    ['a field of every object', head('GET /readyz HTTP/1.1', host, 'constructor: a')],
    ['a field in two lines', head('GET /readyz HTTP/1.1', host, 'Accept: a', ' b')],
    ['a space before the colon', head('GET /readyz HTTP/1.1', 'Host : localhost')],
    ['no colon', head('GET /readyz HTTP/1.1', host, 'Accept')],
    ['no name', head('GET /readyz HTTP/1.1', host, ': a')],
    ['a line feed alone', kubelet.replaceAll('\r\n', '\n')],
    ['one of them', kubelet.replace('\r\nAccept', '\nAccept')],
    ['a carriage return in a value', head('GET /readyz HTTP/1.1', host, 'Accept: a\rb')],
    ['a null in a value', head('GET /readyz HTTP/1.1', host, 'Accept: a\0b')],
    ['a letter of another alphabet', head('GET /readyz HTTP/1.1', host, 'User-Agent: ä')],
    ['too long', head('GET /readyz HTTP/1.1', host, `User-Agent: ${long}`)]
  ]
  for (const [name, text] of others) t.equal(readPlain(Buffer.from(text)), undefined, name)
  const lines = Buffer.from(`GET /readyz HTTP/1.1\r\n${'a:  \r\n'.repeat(150)}x`)
  const from = process.cpuUsage()
  for (let count = 0; count < 100; count++) readPlain(lines)
  t.ok(process.cpuUsage(from).user < 1e6, 'no line makes it slow')
})

type Sent = Array<Parameters<ServerPorts['probed']>[0]>
/** A door that strangers reach: where it listens, what it has counted, and whether its probes are good. */
interface Door { port: number, sent: Sent, set: (ok: boolean, reason?: string) => void }

async function watchdogDoor (t: Test): Promise<Door> {
  const sent: Sent = []
  let ok = true
  let output = ''
  const verdictNow = (kind: CheckKind): Verdict => {
    const given = { critical: true, excluded: false, duration: 0, age: 0, time: 0 }
    const checks = [{ name: 'one', ok: true, ...given }, { name: 'two', ok, output, ...given }]
    return { kind, ok, checks, warnings: [] }
  }
  const ports: Partial<ServerPorts> = {
    verdictNow,
    verdict: async (kind) => verdictNow(kind),
    probed: (one) => { sent.push(one) }
  }
  const probes = { prefix: '', expose: true }
  const data = { port: 0, host: '127.0.0.1', probes, admin: undefined, metrics: ['/startupz'] }
  const server: Server = makeServer(data, ports as ServerPorts)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { port: (server.address() as AddressInfo).port, sent, set: (value, reason = 'ä reason') => { [ok, output] = [value, reason] } }
}

async function supervisorDoor (t: Test): Promise<Door> {
  const sent: Sent = []
  const aggregate = { started: true, phase: 'running', readyChildren: 2, onChange: () => {} }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const settings = { workers: 2, minReady: 2, inService: true }
  const probes = {
    sent: ({ probe, ok }: { probe: string, ok: boolean }, { path, method, userAgent, host, address }: never) => {
      sent.push({ prober: '', probe, ok, caller: { path, method, userAgent, host, address } })
    },
    answered: (
      { probe, ok }: { probe: string, ok: boolean },
      { url: path, raw: { method }, headers: { host, 'user-agent': userAgent }, socket: { remoteAddress } }: never
    ) => { sent.push({ prober: '', probe, ok, caller: { path, method, userAgent, host, address: remoteAddress } }) }
  }
  const supervisor = { aggregate, log, settings, probes, children: [], slots: [] } as unknown as Supervisor
  const { address, close } = await openStatus(supervisor, { listen: { port: 0, host: '127.0.0.1' } } as never)
  t.teardown(async () => close(0).catch(() => {}))
  return { port: Number(new URL(address).port), sent, set: (ok) => { aggregate.readyChildren = ok ? 2 : 1 } }
}

/** An answer without its date, its fields in their order in the alphabet, and whether the connection has ended. */
function told ({ text, socket }: Client): object {
  const [lines = '', body] = text.split('\r\n\r\n', 2)
  const [status, ...fields] = lines.split('\r\n')
  return { status, fields: fields.filter((field) => !/^date:/i.test(field)).toSorted(), body, ended: socket.destroyed }
}

const isWhole = ({ text, socket }: Client): boolean => {
  const [lines, body] = text.split('\r\n\r\n', 2)
  const length = Number(/content-length: (\d+)/i.exec(lines!)?.[1])
  return socket.destroyed || (body !== undefined && Buffer.byteLength(body) >= length)
}

for (const [name, open] of [['watchdog', watchdogDoor], ['supervisor', supervisorDoor]] as const) {
  // Scenario, too: A probe and nothing else…
  t.test(`a plain probe on the ${name}'s port is answered as Node's server would, and counts as much`, async (t) => {
    const { port, sent, set } = await open(t)
    for (const ok of [true, false]) {
      set(ok)
      for (const method of ['GET', 'HEAD']) {
        for (const path of ['/livez', '/readyz', ...name === 'supervisor' ? ['/startupz'] : []]) {
          for (const [version, ...fields] of [
            ['1.1', host, 'User-Agent: kube-probe/1.34', 'Accept: */*', 'Connection: close'],
            ['1.1', host, 'Connection: close'],
            ['1.1', host],
            ['1.0'],
            ['1.0', host, 'Connection: keep-alive']
          ]) {
            const line = `${method} ${path} HTTP/${version}`
            const both: Array<[answer: object, counted: Sent, parsed: number]> = []
            for (const more of [[], ['X-Other: a']]) {
              const before = seen
              const client = await Client.open(port)
              client.socket.write(head(line, ...fields, ...more))
              const isLast = version === '1.0' ? fields.length === 0 : fields.includes('Connection: close')
              await (isLast ? client.closed : until(() => method === 'HEAD' ? client.text !== '' : isWhole(client)))
              await until(() => sent.length > 0)
              both.push([told(client), sent.splice(0), seen - before])
              client.socket.destroy()
            }
            const [plain, others] = both
            t.strictSame(plain!.slice(0, 2), others!.slice(0, 2), `${line} ${fields.join()}, ${ok}`)
            t.strictSame([plain![2], others![2]], [0, 1], 'one of them is not parsed')
          }
        }
      }
    }
  })
}

// Scenario, too: A probe and nothing else…
t.test('a connection that stays is read on, and what follows is for Node', async (t) => {
  const { port, sent } = await watchdogDoor(t)
  const client = await Client.open(port)
  const before = seen
  for (let count = 1; count <= 3; count++) {
    client.socket.write(head('GET /readyz HTTP/1.1', host))
    t.strictSame(await client.answers(count), Array.from({ length: count }, () => 200))
  }
  client.socket.write(head('GET /nothing HTTP/1.1', host, 'Connection: close'))
  await client.closed
  t.strictSame(client.codes, [200, 200, 200, 404])
  t.equal(sent.length, 3)
  t.equal(seen - before, 3)
  const half = await Client.open(port)
  half.socket.end(head('GET /readyz HTTP/1.1', host))
  await half.closed
  t.strictSame(half.codes, [200])
})

// Scenario, too: A probe and nothing else…
t.test('where many connections are open whoever has been told goes', async (t) => {
  const { port } = await watchdogDoor(t)
  const clients: Client[] = []
  for (let count = 0; count < 100; count++) {
    const client = await Client.open(port)
    clients.push(client)
    client.socket.write(head('GET /readyz HTTP/1.1', host))
    await until(() => client.text.endsWith('ok'))
  }
  const said = clients.map(({ text }) => /\r\nConnection: (\S+)/.exec(text)?.[1])
  const kept = said.filter((word) => word === 'keep-alive').length
  // Who has said nothing for 5 s makes room again.
  t.ok(kept >= 64 && kept < 100, `${kept} stay: a quarter of the places`)
  for (const [index, { closed }] of clients.entries()) if (said[index] === 'close') await closed
  for (const { socket } of clients) socket.destroy()
})

// Scenario, too: A probe and nothing else…
t.test('what the kernel may not take at once is for Node', async (t) => {
  const { port, sent, set } = await watchdogDoor(t)
  for (const [length, parsed] of [[1900, 0], [100_000, 1]] as const) {
    const before = seen
    set(false, 'x'.repeat(length))
    const client = await Client.open(port)
    client.socket.write(head('GET /readyz HTTP/1.1', host, 'Connection: close'))
    await client.closed
    t.match(client.text, `two failed: ${'x'.repeat(length)}\n`)
    t.strictSame([seen - before, sent.splice(0).length], [parsed, 1])
  }
})

// Scenario, too: A probe and nothing else…
t.test('a path that metrics have is theirs', async (t) => {
  const { port } = await watchdogDoor(t)
  const client = await Client.open(port)
  client.socket.write(head('GET /startupz HTTP/1.1', host, 'Connection: close'))
  await client.closed
  t.notMatch(client.text, /\r\n\r\nok$/)
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import type { RequestOptions } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { get as getSecurely } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const fixture = fileURLToPath(new URL('fixtures/sticky.js', import.meta.url))

interface Answer { place: string, pid: number, address: string }

/** Asks from an address, on a connection of its own unless an agent is given. */
function ask (port: number, localAddress: string, options: RequestOptions = {}, getIt = get): Promise<Answer> {
  return new Promise((resolve, reject) => {
    getIt({ port, host: '127.0.0.1', localAddress, agent: false, timeout: 15_000, ...options }, (response) => {
      text(response).then((body) => resolve(JSON.parse(body) as Answer), reject)
    }).once('timeout', function (this: { destroy: (error: Error) => void }) {
      this.destroy(new Error('no answer'))
    }).once('error', reject)
  })
}

const addresses = (count: number): string[] => Array.from({ length: count }, (_, index) => `127.0.1.${index + 1}`)

interface Sticky { tree: Tree, ports: Record<string, number>, pidOf: (place: number) => number }

async function grow (t: Test, servers: Record<string, object>, workers = 3, ...flags: string[]): Promise<Sticky> {
  const tree = start(t, [
    'run', '--sticky', '--workers', String(workers), '--min-ready', String(workers), ...flags,
    fixture, JSON.stringify(servers)
  ])
  await tree.ready()
  const ports = await until(() => {
    const told = [...tree.output().matchAll(/^(\w+) on (\d+) of 1$/gm)]
    return told.length === Object.keys(servers).length
      && Object.fromEntries(told.map(([, name = '', port]) => [name, Number(port)]))
  }, 'all listen')
  const pidOf = (place: number): number => tree.lines('spawn').findLast(({ child }) => child === place)!.childPid!
  return { tree, ports, pidOf }
}

const loopback = { listen: { port: 0, host: '127.0.0.1' } }

/** Where each address is served. */
async function homesOf (port: number, from: string[]): Promise<Map<string, string>> {
  const answers = await Promise.all(from.map((address) => ask(port, address)))
  return new Map(from.map((address, index) => [address, answers[index]!.place]))
}

interface Seen { from: string, sentAt: number, answer: Answer | undefined, error: string | undefined, isKept: boolean }

/** Clients that ask about seven times a second each, every second one on a kept connection, and retry nothing. */
function visit (port: number, from: string[]): { seen: Seen[], stop: () => Promise<void> } {
  const seen: Seen[] = []
  const over = new AbortController()
  const clients = from.map(async (address, index) => {
    const isKept = index % 2 === 1
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!over.signal.aborted) {
      const sentAt = Date.now()
      try {
        const answer = await ask(port, address, isKept ? { agent } : {})
        seen.push({ from: address, sentAt, answer, error: undefined, isKept })
      } catch (error) {
        const { code = String(error) } = error as { code?: string }
        seen.push({ from: address, sentAt, answer: undefined, error: code, isKept })
      }
      await sleep(100 + Math.random() * 80)
    }
    agent.destroy()
  })
  return {
    seen,
    async stop () {
      over.abort()
      await Promise.all(clients)
    }
  }
}

// Scenario (Connections): connections from one address go to one child, over reloads and crashes
t.test('an address has one child, on all ports, through a reload under load', async (t) => {
  const { tree, ports } = await grow(t, { one: loopback, two: loopback })
  const from = addresses(40)
  const homes = await homesOf(ports['one']!, from)
  t.same(await homesOf(ports['two']!, from), homes, 'on another port the same')
  t.same([...new Set(homes.values())].toSorted(), ['1', '2', '3'], 'all children have some')
  const { seen, stop } = visit(ports['one']!, from)
  for (let reload = 1; reload <= 2; reload++) {
    process.kill(tree.pid, 'SIGHUP')
    await until(() => tree.output().match(/reload done/g)?.length === reload, 'the reload is done')
  }
  await stop()
  t.same(seen.filter(({ error }) => error !== undefined), [], `nothing is lost of ${seen.length}`)
  t.same(
    seen.filter(({ from, answer, isKept }) => !isKept && answer?.place !== homes.get(from)),
    [],
    'and nobody has moved: a successor takes over when it is ready'
  )
  t.same(await homesOf(ports['one']!, from), homes)
  t.ok(seen.length > 300)
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

// Scenario, too: connections from one address go to one child…
t.test('a child that is killed loses what it had in flight, and its clients alone go to the others until it is back', async (t) => {
  const { tree, ports, pidOf } = await grow(t, { one: loopback })
  const [port, from] = [ports['one']!, addresses(40)]
  const homes = await homesOf(port, from)
  const killed = pidOf(2)
  const { seen, stop } = visit(port, from)
  await sleep(500)
  process.kill(killed, 'SIGKILL')
  await until(() => tree.lines('exit').length === 1, 'its end')
  const goneAt = Date.now()
  await until(() => tree.lines('readiness').length === 3, 'all are ready again')
  await sleep(500)
  const backAt = Date.now()
  await sleep(500)
  await stop()
  const lost = seen.filter(({ error }) => error !== undefined)
  t.comment(`${lost.length} of ${seen.length} requests lost`)
  t.same(
    lost.filter(({ from, error, sentAt, isKept }) =>
      homes.get(from) !== '2' || !/^ECONNRESET$|hang up/.test(error!) || (sentAt > goneAt && !isKept)),
    [],
    'what it had in flight, or what was sent on a connection before its end was known'
  )
  const moved = seen.filter(({ from, answer }) => answer !== undefined && answer.place !== homes.get(from))
  t.same(moved.filter(({ from }) => homes.get(from) !== '2'), [], 'nobody else has moved')
  t.ok(moved.length > 0, 'its own clients have')
  t.same(
    moved.filter(({ sentAt, isKept }) => sentAt > backAt && !isKept),
    [],
    'and have come back'
  )
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

// Scenario, too: connections from one address go to one child…
t.test('a connection that a child has not taken goes to the next: it hangs, or is killed', async (t) => {
  const { tree, ports, pidOf } = await grow(t, { one: loopback })
  const [port, from] = [ports['one']!, addresses(40)]
  const homes = await homesOf(port, from)
  const own = from.filter((address) => homes.get(address) === '3')
  const killed = pidOf(3)
  process.kill(killed, 'SIGSTOP')
  const answers = Promise.all(own.map((address) => ask(port, address)))
  await sleep(500)
  process.kill(killed, 'SIGKILL')
  t.same((await answers).filter(({ place }) => place === '3'), [], 'killed: all are answered by the others')
  await until(() => tree.lines('readiness').length === 3, 'all are ready again')

  const hung = pidOf(3)
  process.kill(hung, 'SIGSTOP')
  const late = own.map((address) => ask(port, address))
  const first = await Promise.all(late.slice(1))
  t.same(first.filter(({ place }) => place === '3'), [], 'hung: what it was not given yet goes elsewhere after 5 s')
  process.kill(hung, 'SIGCONT')
  t.equal((await late[0]!).place, '3', 'what it was given it takes when it goes on')
  await until(async () => (await ask(port, own[0]!)).place === '3', 'and has its clients again')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

// Scenario, too: connections from one address go to one child…
t.test('while there is no child at all, connections wait', async (t) => {
  const { tree, ports, pidOf } = await grow(t, { one: loopback }, 2)
  const [port, from] = [ports['one']!, addresses(20)]
  const homes = await homesOf(port, from)
  for (const place of [1, 2]) process.kill(pidOf(place), 'SIGKILL')
  await until(() => tree.lines('exit').length === 2, 'both are gone')
  await Promise.all(from.map((address) => ask(port, address)))
  await until(() => tree.lines('readiness').at(-1)?.['ready'] === true, 'both are ready again')
  t.same(await homesOf(port, from), homes)

  const { seen, stop } = visit(port, from)
  await sleep(500)
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  await stop()
  t.same(
    [...new Set(seen.map(({ error }) => error))].filter((error) => error !== undefined && error !== 'ECONNREFUSED'),
    [],
    'at the end the port is closed when all that had come is taken'
  )
})

/** One connection that says nothing but a request, from IPv4 or IPv6. */
function askPlainly (options: { port: number, host: string, localAddress?: string } | { path: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(options)
    socket.end('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    text(socket).then((answer) => resolve(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as Answer), reject)
  })
}

// Scenario, too: connections from one address go to one child…
t.test('over TLS, HTTP/2, IPv4 on a socket of IPv6, and beside what is not shared', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'graceful-sticky-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1',
    '-subj', '/CN=localhost', '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')
  ], { stdio: 'ignore' })
  const https = { key: readFileSync(join(folder, 'key'), 'utf8'), cert: readFileSync(join(folder, 'cert'), 'utf8') }
  const path = join(folder, 'socket')
  const { tree, ports, pidOf } = await grow(t, {
    plain: loopback,
    both: { listen: { port: 0, host: '::' } },
    secure: { server: { https }, ...loopback },
    two: { server: { http2: true }, ...loopback },
    own: { listen: { ...loopback.listen, exclusive: true } },
    unix: { listen: { path } }
  })
  const from = addresses(12)
  const homes = await homesOf(ports['plain']!, from)
  t.same(await homesOf(ports['both']!, from), homes, 'an address of IPv4 that comes as one of IPv6 is the same one')
  const secure = await Promise.all(from.map((localAddress) =>
    ask(ports['secure']!, localAddress, { rejectUnauthorized: false } as object, getSecurely)))
  t.same(new Map(secure.map(({ place, address }) => [address, place])), homes, 'TLS')
  const two = await Promise.all(from.map(async (localAddress) => {
    const session = connectHttp2('http://127.0.0.1', {
      createConnection: () => connect({ port: ports['two']!, host: '127.0.0.1', localAddress })
    })
    const answer = JSON.parse(await text(session.request({ ':path': '/' }))) as Answer
    session.close()
    return [answer.address, answer.place] as const
  }))
  t.same(new Map(two), homes, 'HTTP/2')
  const six = await Promise.all(Array.from({ length: 6 }, () => askPlainly({ port: ports['both']!, host: '::1' })))
  t.equal(new Set(six.map(({ place }) => place)).size, 1, 'IPv6')
  t.equal((await ask(ports['own']!, from[0]!)).pid, pidOf(1), 'a port of one child alone')
  t.match(await askPlainly({ path }), { place: /^[123]$/ }, 'a unix socket')
  t.match(tree.lines('sticky'), [{ level: 40, path: /socket$/, msg: /have no client address to assign a child by/ }])
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

// Scenario, too: connections from one address go to one child…
t.test('a port that is taken fails, and a child that leaves by itself gets nothing new', async (t) => {
  const { tree, ports, pidOf } = await grow(t, { one: loopback })
  const [port, from] = [ports['one']!, addresses(30)]
  const other = start(t, [
    'run', '--sticky', '--workers', '2', '--max-crashes', '0',
    fixture, JSON.stringify({ one: { listen: { ...loopback.listen, port } } })
  ])
  t.equal((await other.result)[0], 1)
  t.match(other.output(), /EADDRINUSE/)

  const homes = await homesOf(port, from)
  const left = pidOf(1)
  const { seen, stop } = visit(port, from)
  process.kill(left, 'SIGTERM')
  await until(() => tree.lines('exit').length === 1, 'its end')
  await until(() => tree.lines('spawn').length === 4, 'its successor')
  await stop()
  t.same(seen.filter(({ error }) => error !== undefined), [], `nothing is lost of ${seen.length}`)
  await until(async () => (await ask(port, from.find((address) => homes.get(address) === '1')!)).place === '1', 'again')
  t.same(await homesOf(port, from), homes)
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

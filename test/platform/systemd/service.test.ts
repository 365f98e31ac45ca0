import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { addressOf, ask, hung, Manager, serviceCommand } from './manager.ts'

const term = 15
const grace = { TERMINATION_GRACE_PERIOD_SECONDS: '20' }

// They wait for the most part.
t.jobs = 5

/** The ways there are, and whose number a message of each has. */
const ways = [
  ['a descriptor', { notify: 'at once' }, false, true],
  ['a descriptor that waits', { notify: 'waits' }, false, true],
  ['a descriptor, and an abstract name', { notify: 'at once' }, true, true],
  ['systemd-notify', {}, false, false],
  ['systemd-notify, and an abstract name', {}, true, false]
] as const

for (const [name, passed, abstract, isOwn] of ways) {
  // Scenario (systemd): A service tells systemd, by a descriptor or by systemd-notify, by path or by abstract name,
  // that it is ready once a hold is released, what it waits for, and that it stops, each once and in this order; what
  // it starts inherits nothing of it
  t.test(`from start to end by ${name}`, async (t) => {
    const manager = new Manager(t, { abstract })
    const pid = await manager.start({
      command: serviceCommand({
        hold: 'cache\nMAINPID=1', stall: { name: 'outbox', ms: 4000, reason: 'two left\nREADY=1' }
      }),
      env: grace, ...passed
    })
    const address = await addressOf(manager, pid)
    await manager.line(/^STATUS=Not ready: held by cache MAINPID=1$/m)
    t.notMatch(manager.lines.join('\n'), /READY=1/, 'not before it is ready')
    t.equal(await ask(`${address}/inherited`), '[]', 'what it starts inherits nothing')
    await ask(`${address}/release`)
    await manager.line(/^READY=1$/m)
    manager.kill(term)
    await manager.line(/^STATUS=Phase 3 of 4, draining \(SIGTERM\): waits for outbox \(two left READY=1\)$/m)
    const { code } = await manager.ended(pid)
    t.equal(code, 0, manager.output)
    const { lines, received } = manager
    t.same(lines.filter((line) => /^(?:READY|STOPPING|RELOADING)/.test(line)), ['READY=1', 'STOPPING=1'])
    t.ok(lines.every((line) => /^(?:READY=1|STOPPING=1|STATUS=.+)$/.test(line)), lines.join(' | '))
    t.ok(lines.indexOf('STATUS=Ready') < lines.indexOf('STOPPING=1'))
    t.equal(received.every((one) => one.pid === pid), isOwn, isOwn ? 'by the process itself' : 'by another process')
  })
}

// Scenario (systemd): STOPPING=1 comes when the end is asked for, while the service still serves what it has
t.test('STOPPING=1 comes with the signal, and before the listener is closed', async (t) => {
  const manager = new Manager(t)
  const pid = await manager.start({
    command: serviceCommand({ options: { announce: { min: 1500 } } }), env: grace, notify: 'at once'
  })
  const address = await addressOf(manager, pid)
  await manager.line(/^READY=1$/m)
  manager.kill(term)
  await manager.line(/^STOPPING=1$/m)
  t.equal(await ask(`${address}/`), `process ${pid}`)
  await manager.ended(pid)
})

// Scenario (systemd): A drain by hand can be taken back, and is no STOPPING=1
t.test('a drain by hand is told as a status', async (t) => {
  const manager = new Manager(t)
  const pid = await manager.start({
    command: serviceCommand({ options: { admin: { token: 'a-token-of-the-test' } } }), notify: 'at once'
  })
  const address = await addressOf(manager, pid)
  const headers = { authorization: 'Bearer a-token-of-the-test', connection: 'close' }
  await manager.line(/^READY=1$/m)
  await fetch(`${address}/-/drain`, { method: 'POST', headers })
  await manager.line(/^STATUS=Phase 1 of 4, announcing \(drained by hand\)/m)
  await fetch(`${address}/-/undrain`, { method: 'POST', headers })
  await manager.until('ready again', () => manager.lines.at(-1) === 'STATUS=Ready' ? true : undefined)
  t.same(manager.lines.filter((line) => !line.startsWith('STATUS=')), ['READY=1'])
})

for (const [name, options, passed] of [
  ['the watching thread', { watchdog: { enabled: true } }, { notify: 'at once' }],
  ['the watching thread, by systemd-notify', { watchdog: { enabled: true } }, {}],
  ['the event loop, without a thread', { watchdog: false }, { notify: 'at once' }]
] as const) {
  // Scenario (systemd): WATCHDOG=1 comes from the watching thread while the event loop turns, also through requests
  // that take long, not while it hangs, and again when it has turned
  t.test(`WATCHDOG=1 by ${name}`, async (t) => {
    const manager = new Manager(t)
    const pid = await manager.start({
      command: serviceCommand({ options }), env: { WATCHDOG_USEC: '2000000', WATCHDOG_PID: '$PID' }, ...passed
    })
    const address = await addressOf(manager, pid)
    await manager.until('four signs of life', () => manager.beats.length >= 4 ? true : undefined)
    await ask(`${address}/hang?ms=5000`)
    const { from, until } = await hung(manager)
    await manager.until('a sign of life after it', () => manager.beats.find((beat) => beat > until))
    // One for the turn before it, and one that was under way; without a hang they are five.
    const within = manager.beats.filter((beat) => beat > from && beat < until)
    t.ok(within.length <= 2, `${within.length} signs of life in a hang of 5 s`)
    const count = manager.beats.length
    await manager.until('it goes on', () => manager.beats.length >= count + 2 ? true : undefined)
  })
}

// Scenario (systemd): WATCHDOG_PID of another process: systemd waits for that one, and nothing is told for it
t.test("another process's watchdog is left to that process", async (t) => {
  const manager = new Manager(t)
  await manager.start({
    command: serviceCommand({ options: { watchdog: { enabled: true } } }),
    env: { WATCHDOG_USEC: '100000', WATCHDOG_PID: '1' }, notify: 'at once'
  })
  await manager.line(/^READY=1$/m)
  await manager.line(/^fastify-graceful: WATCHDOG_PID is "1", and this is process \d+/m)
  t.same(manager.beats, [])
})

// Scenario (systemd): Where there is no way to systemd, one line says so, and the service serves and ends as ever
t.test('no way to systemd', async (t) => {
  const hidden = ['unshare', ...process.getuid?.() === 0 ? [] : ['--map-root-user'], '--mount', 'sh', '-c',
    'for at in /usr/bin /bin; do mount --bind /dev/null $at/systemd-notify; done && exec "$@"', 'sh']
  for (const [name, env, under, expected] of [
    ['blank', { NOTIFY_SOCKET: ' ' }, [], undefined],
    ['relative', { NOTIFY_SOCKET: 'run/notify' }, [], /NOTIFY_SOCKET is "run\/notify", neither/],
    ['missing', { NOTIFY_SOCKET: '/run/nowhere/notify' }, [], /NOTIFY_SOCKET is "\/run\/nowhere\/notify", which cannot be/],
    ['no socket', { NOTIFY_SOCKET: '/etc/passwd' }, [], /NOTIFY_SOCKET is "\/etc\/passwd", which is no socket/],
    ['no program', {}, hidden, /NOTIFY_SOCKET is set, and there is no way to it/]
  ] as const) {
    const manager = new Manager(t)
    const pid = await manager.start({ command: [...under, ...serviceCommand()], env })
    const address = await addressOf(manager)
    t.equal(await ask(`${address}/`), `process ${pid}`, name)
    if (expected !== undefined) await manager.line(expected)
    manager.kill(term)
    t.equal((await manager.ended(pid)).code, 0, name)
    t.equal(manager.output.match(/NOTIFY_SOCKET/g)?.length, expected && 1, `${name}: one line`)
    t.same(manager.received, [], name)
  }
})

// Scenario (systemd): Nobody reads what is told: the service serves and ends as ever
t.test('a socket that nobody reads any more', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'systemd-'))
  const socket = join(folder, 'notify')
  const stream = createServer().listen(socket)
  await once(stream, 'listening')
  t.teardown(() => {
    stream.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const manager = new Manager(t)
  // A socket of another kind refuses each datagram.
  const pid = await manager.start({ command: serviceCommand(), env: { NOTIFY_SOCKET: socket } })
  const address = await addressOf(manager, pid)
  await manager.line(/^fastify-graceful: the service manager could not be told: .+/m)
  t.equal(await ask(`${address}/`), `process ${pid}`)
  manager.kill(term)
  t.equal((await manager.ended(pid)).code, 0)
  t.equal(manager.output.match(/could not be told/g)?.length, 1, 'one line')
})

// Scenario (systemd): `systemd: false` tells nothing, and leaves the variables to whoever wants them
t.test('systemd: false', async (t) => {
  const manager = new Manager(t)
  const pid = await manager.start({
    command: serviceCommand({ options: { systemd: false } }),
    env: { WATCHDOG_USEC: '2000000', WATCHDOG_PID: '$PID' }, notify: 'at once'
  })
  const address = await addressOf(manager, pid)
  const inherited = JSON.parse(await ask(`${address}/inherited`)) as string[]
  t.same(inherited.map((line) => line.replace(/=.*/, '')).toSorted(), ['NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC'])
  manager.kill(term)
  await manager.ended(pid)
  t.same(manager.received, [])
})

for (const [name, options, expected] of [
  ['by option', { systemd: { extendTimeout: true } }, true], ['not by default', {}, false]
] as const) {
  // Scenario (systemd): `systemd.extendTimeout` asks for more time while a request holds the end, and not beyond the
  // grace period; without it nothing is asked for
  t.test(`more time ${name}`, async (t) => {
    const manager = new Manager(t)
    const pid = await manager.start({
      command: serviceCommand({ options }), env: { TERMINATION_GRACE_PERIOD_SECONDS: '12' }, notify: 'at once'
    })
    const { port } = new URL(await addressOf(manager, pid))
    const client = connect(Number(port), '127.0.0.1').on('error', () => {})
    client.write('GET /slow?ms=6000 HTTP/1.1\r\nHost: test\r\n\r\n')
    await manager.line(/^slow begins$/m)
    await manager.line(/^READY=1$/m)
    manager.kill(term)
    const stopped = await manager.until('STOPPING=1', () => manager.received.find(({ lines }) => lines.includes('STOPPING=1')))
    await manager.ended(pid)
    client.destroy()
    const asked = manager.received.flatMap(({ lines, at }) =>
      lines.flatMap((line) => line.startsWith('EXTEND_TIMEOUT_USEC=') ? [{ time: Number(line.split('=')[1]), at }] : []))
    t.equal(asked.length > 0, expected, `asked ${asked.length} times`)
    for (const { time, at } of asked) t.ok(at + time <= stopped.at + 12_000_000, 'never beyond the grace period')
  })
}

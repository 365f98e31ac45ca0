import { writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { ask, addressOf, hung, Manager, service } from './manager.ts'

// They wait for the most part.
t.jobs = 5

const cli = fileURLToPath(new URL('../../../dist/cli/index.js', import.meta.url))
const [hup, term] = [1, 15]

const run = (workers: number, given: object = {}): string[] =>
  [process.execPath, cli, 'run', '--workers', String(workers), service, JSON.stringify(given)]

/** But for the status and the signs of life. */
const states = (manager: Manager): string[] => manager.lines.filter((line) => !/^(?:STATUS|EXTEND)/.test(line))

for (const [name, passed] of [['a descriptor', { notify: 'at once' }], ['systemd-notify', {}]] as const) {
  // Scenario (systemd): The supervisor tells of the whole: ready when its children are, a reload with the time of its
  // beginning and its end, the stop; its children tell nothing and inherit nothing
  t.test(`a supervisor from start to end by ${name}`, async (t) => {
    const manager = new Manager(t)
    const pid = await manager.start({
      command: run(2), env: { TERMINATION_GRACE_PERIOD_SECONDS: '20', WATCHDOG_USEC: '2000000', WATCHDOG_PID: '$PID' },
      ...passed
    })
    const address = await addressOf(manager)
    t.equal(await ask(`${address}/inherited`), '[]')
    await manager.line(/^READY=1$/m)
    await manager.line(/^STATUS=Ready: 2 of 2 children ready$/m)
    const before = process.hrtime.bigint() / 1000n
    manager.kill(hup)
    await manager.until('the end of the reload', () => states(manager).length >= 4 ? true : undefined)
    const [first, reloading, time = '', again] = states(manager)
    t.same([first, reloading, again], ['READY=1', 'RELOADING=1', 'READY=1'])
    const at = BigInt(/^MONOTONIC_USEC=(\d+)$/.exec(time)?.[1] ?? 0)
    t.ok(at >= before && at <= process.hrtime.bigint() / 1000n, `${time}, the signal came at ${before}`)
    t.match(manager.output, /reload done: 2 replaced/)
    await manager.until('signs of life', () => manager.beats.length >= 3 ? true : undefined)
    manager.kill(term)
    await manager.line(/^STOPPING=1$/m)
    t.equal((await manager.ended(pid)).code, 0, manager.output)
    t.same(states(manager).slice(4), ['STOPPING=1'])
    if ('notify' in passed) t.ok(manager.received.every((one) => one.pid === pid), 'by the supervisor alone')
  })
}

// Scenario (systemd): A reload that is stopped leaves the service as it was, is over for systemd, and the status says why
t.test('a reload whose new child does not start', async (t) => {
  const manager = new Manager(t)
  const folder = t.testdir({ 'package.json': '{"type":"module"}' })
  writeFileSync(`${folder}/service.js`, `await import(${JSON.stringify(pathToFileURL(service).href)})`)
  await manager.start({
    command: [process.execPath, cli, 'run', `${folder}/service.js`], notify: 'at once'
  })
  await manager.line(/^READY=1$/m)
  writeFileSync(`${folder}/service.js`, 'throw new Error("first line\\nMAINPID=1")')
  manager.kill(hup)
  await manager.line(/^STATUS=Ready: 1 of 1 children ready; the last reload was stopped: .*MAINPID=1/m)
  t.same(states(manager).filter((line) => !line.startsWith('MONOTONIC')), ['READY=1', 'RELOADING=1', 'READY=1'])
})

// Scenario (systemd): Where all children hang the supervisor tells no more signs of life, so that systemd restarts them
t.test('a service whose only child hangs', async (t) => {
  const manager = new Manager(t)
  await manager.start({
    command: run(1), env: { WATCHDOG_USEC: '1000000', WATCHDOG_PID: '$PID' }, notify: 'at once'
  })
  const address = await addressOf(manager)
  await manager.line(/^READY=1$/m)
  await ask(`${address}/hang?ms=9000`)
  const { from, until } = await hung(manager)
  await manager.until('a sign of life after it', () => manager.beats.find((beat) => beat > until))
  // A child that does not answer for 5 s hangs: without that there are as many signs as half seconds.
  const within = manager.beats.filter((beat) => beat > from && beat < until)
  t.ok(within.length <= 14, `${within.length} signs of life in a hang of 9 s`)
  await manager.line(/^STATUS=Not ready: 0 of 1 children ready$/m)
})

// Scenario (systemd): A service that needs several children is ready when so many are
t.test('not ready before so many children are', async (t) => {
  const manager = new Manager(t)
  await manager.start({
    command: [process.execPath, cli, 'run', '--workers', '2', '--min-ready', '2', service, '{"hold":"cache"}'], notify: 'at once'
  })
  await addressOf(manager)
  await manager.line(/^STATUS=Not ready: 0 of 2 children ready$/m)
  t.same(states(manager), [])
})

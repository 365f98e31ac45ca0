import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventsOf } from '../watchdog/support.ts'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

t.setTimeout(120_000)

const gracePeriod = 4000

async function start (): Promise<{ app: Fork, port: number, url: string }> {
  const options = { gracePeriod, watchdog: { port: 0, host: '127.0.0.1' } }
  const given = { server: { logger: { level: 'info' } }, options }
  const app = fork('../../security/fixtures/service.js', { ipc: true, given })
  const [, main, port] = await app.waitForLine(/^ports (\d+) (\d+)$/m)
  return { app, port: Number(port), url: `http://127.0.0.1:${main}` }
}

/** Ends one of the threads in the order of their starts; settles when that has been told. */
async function terminate (app: Fork, index: number, says: RegExp): Promise<void> {
  const before = eventsOf(app.output(), 'graceful.watchdog').length
  app.child.send({ terminate: index })
  const said = (): string[] => eventsOf(app.output(), 'graceful.watchdog').slice(before).map(({ msg }) => msg)
  while (!said().some((msg) => says.test(msg))) await sleep(5)
}

/** The port that was told of last; the kernel chooses another one each time. */
async function nextPort (app: Fork, known: number): Promise<number> {
  for (;;) {
    const port = Number([...app.output().matchAll(/the watchdog listens on port (\d+)/g)].at(-1)?.[1])
    if (port !== known) return port
    await sleep(10)
  }
}

async function isAnswering (port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/livez`, { headers: { connection: 'close' } })
  return answer.status === 200
}

const watchdogDied = /: the watchdog has died \(its thread has ended\), and is started again$/
const portDied = (pause: number): RegExp => {
  return new RegExp(`: the thread of the watchdog's port has died \\(.*\\), and is started again in ${pause} s$`)
}

// Scenario (Attacks, and failures of the plugin's own code): The watchdog's thread dies, and that of its port again and
// again; the event loop hangs meanwhile
t.test('the thread of the port comes back with a pause that grows, and the one that watches goes on', async (t) => {
  const { app, port: first } = await start()
  t.ok(await isAnswering(first))
  let port = first
  const pauses: number[] = []
  for (const says of [watchdogDied, portDied(1), portDied(2)]) {
    const from = performance.now()
    await terminate(app, -1, says)
    port = await nextPort(app, port)
    pauses.push(performance.now() - from)
    t.ok(await isAnswering(port), 'it answers again')
  }
  t.ok(pauses[1]! > 900 && pauses[2]! > 1900, `${pauses.map(Math.round).join(', ')} ms`)
  t.equal(app.output().split('the watchdog has died').length, 2, 'the one that watches has gone on')
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null])
})

// Scenario, too: The watchdog's thread dies…
t.test('an event loop that hangs is ended at its deadline, whichever thread has died right before', async (t) => {
  const rows: Array<[name: string, deaths: Array<[index: number, says: RegExp]>]> = [
    ['none', []],
    ['the one that does both', [[-1, watchdogDied]]],
    ['that of the port, which rests before it is started again', [[-1, watchdogDied], [-1, portDied(1)]]]
  ]
  await Promise.all(rows.map(async ([name, deaths]) => {
    const { app, url } = await start()
    for (const [index, says] of deaths) await terminate(app, index, says)
    // A signal that comes before the new one is up is lost to it.
    while (!(await (await fetch(`${url}/watchdog`)).text()).includes('"watching"')) await sleep(10)
    app.child.send({ hang: 60_000 })
    await sleep(300)
    const watch = new Stopwatch(app.child.pid)
    app.kill('SIGTERM')
    const [code, signal, output] = await app.result
    watch.stop()
    t.strictSame([code, signal], [1, null], `${name}: its code`)
    inTime(t, watch, [gracePeriod - 2000, gracePeriod], `${name}: after`)
    t.equal(eventsOf(output, 'graceful.killed').length, 1, `${name}: said once`)
    t.match(eventsOf(output, 'graceful.killed')[0]?.['blockedIn'], /service\.js/, `${name}: what held it`)
  }))
})

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { startLoad } from '../../lib/drill/load.ts'
import type { LoadResult } from '../../lib/drill/load.ts'
import { claimPort } from '../../lib/drill/processes.ts'
import { countByKind } from '../../lib/drill/losses.ts'
import { startHaproxy } from '../e2e/haproxy.ts'
import { prefer } from '../e2e/replicas.ts'
import { install, versionOf } from './support/install.ts'
import { Pm2 } from './support/pm2.ts'
import { logOf } from './support/service.ts'
import { complaints, hooksOf, isClean, shopUsers } from './support/update.ts'

t.setTimeout(600_000)

/** Milliseconds of load before the reload. */
const warmUp = 5000

/** What is expected of a reload: `count` processes have ended in order. */
function reloaded (t: Test, pm2: Pm2, { requests, losses }: LoadResult, count: number): void {
  const service = { lines: pm2.lines() }
  const log = service.lines.map((line) => line.text).join('\n').slice(-6000)
  const details = { losses: losses.slice(0, 10), log, pm2: pm2.log().slice(-4000) }
  t.same(countByKind(losses), {}, `0 of ${requests} requests lost`, details)
  t.ok(requests > 300, `${requests} requests`)
  const ofEach = (text: string): string[] => Array.from({ length: count }, () => text)
  t.same(pm2.exits().map(({ code, signal }) => `${code} ${signal}`), ofEach('0 SIGINT'), 'exit codes')
  t.same(hooksOf(service), ofEach('onClose with 0 in hand'))
  const reports = logOf(service).flatMap(({ report }) => report ?? [])
  t.equal(reports.length, count)
  for (const report of reports) isClean(t, report)
  t.same(complaints(service), [], 'no warning')
}

/** With `wait_ready` pm2 comes back when it has heard `ready`, or after a minute: see its configuration. */
function heard (t: Test, took: number): void {
  t.ok(took < 50_000, `pm2 had heard that it is ready after ${took} ms`)
}

// Scenario (Foreign parties): pm2, in cluster mode and in fork mode
t.test('pm2 reload of a cluster of two, with clients that come to it directly', async (t) => {
  prefer(process.pid, -10)
  const folder = await install('pm2')
  t.comment(`pm2 ${versionOf(folder, 'pm2')}`)
  const port = await claimPort()
  const pm2 = new Pm2(t, folder, { PORTS: String(port), INSTANCES: '2' })
  heard(t, await pm2.start(port))
  const load = startLoad({ port, rate: 60, profiles: shopUsers })
  await sleep(warmUp)
  const took = await pm2.run('reload', 'all')
  await sleep(1000)
  const seen = await load.stop()
  reloaded(t, pm2, seen, 2)
  t.ok(took < 15_000, `the reload took ${took} ms`)
})

// Scenario, too: pm2, in cluster mode and in fork mode
t.test('two applications of pm2 in fork mode behind HAProxy, reloaded one after the other', async (t) => {
  prefer(process.pid, -10)
  const folder = await install('pm2')
  t.comment(`pm2 ${versionOf(folder, 'pm2')}`)
  const ports = [await claimPort(), await claimPort()]
  const pm2 = new Pm2(t, folder, { PORTS: ports.join(',') })
  heard(t, await pm2.start(...ports))
  const front = await startHaproxy({ slots: ports.length, check: true })
  t.teardown(async () => front.close())
  for (const port of ports) await front.add({ name: String(port), host: '127.0.0.1', port })
  await sleep(700)
  const load = startLoad({ port: front.port, rate: 60, profiles: shopUsers })
  await sleep(warmUp)
  for (const name of ['shop-0', 'shop-1']) {
    const took = await pm2.run('reload', name)
    t.ok(took < 15_000, `the reload took ${took} ms`)
    // The balancer asks each half second, and takes one in that has answered once.
    await sleep(2000)
  }
  const seen = await load.stop()
  reloaded(t, pm2, seen, 2)
})

// Scenario, too: pm2, in cluster mode and in fork mode
t.test('a supervisor under pm2 tells when all of its children are ready, and ends in order', async (t) => {
  const folder = await install('pm2')
  const port = await claimPort()
  const pm2 = new Pm2(t, folder, { PORTS: String(port), WORKERS: '2' })
  heard(t, await pm2.start(port))
  t.equal(pm2.lines().filter(({ text }) => text.includes('"event":"graceful.supervisor.spawn"')).length, 2)
  t.equal(pm2.lines().filter(({ text }) => text.includes('ready: 2 of 2 children ready')).length, 1)
  await pm2.run('stop', 'all')
  t.same(pm2.exits().map(({ code, signal }) => `${code} ${signal}`), ['0 SIGINT'])
  t.same(hooksOf({ lines: pm2.lines() }), ['onClose with 0 in hand', 'onClose with 0 in hand'])
})

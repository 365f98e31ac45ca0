import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { LogLine } from '../../lib/drill/processes.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { isWarning, start } from './replicas.ts'
import type { Replica } from './replicas.ts'

t.setTimeout(180_000)
t.jobs = 2

/** Every kind of client: new connections each time, or kept ones. */
function load (port: number, perSecond: number): () => Promise<{ sent: number, losses: string[] }> {
  const losses: string[] = []
  let sent = 0
  const pending = new Set<Promise<void>>()
  const kept = new Agent({ keepAlive: true, maxSockets: 4 })
  const ask = (method: string, agent: Agent): Promise<void> => new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/', method, agent }, (response) => {
      response.resume()
      response.once('end', () => {
        if (response.statusCode !== 200 || !response.complete) losses.push(`${method}: ${response.statusCode}`)
        resolve()
      })
    })
    asked.once('error', (error: NodeJS.ErrnoException) => {
      losses.push(`${method} on a ${asked.reusedSocket ? 'kept' : 'new'} connection: ${error.code ?? error.message}`)
      resolve()
    })
    asked.end()
  })
  const timer = setInterval(() => {
    const isPost = ++sent % 3 === 0
    const promise = ask(isPost ? 'POST' : 'GET', sent % 2 === 0 ? kept : new Agent({ keepAlive: false }))
    pending.add(promise)
    void promise.finally(() => pending.delete(promise))
  }, 1000 / perSecond)
  return async () => {
    clearInterval(timer)
    await Promise.all(pending)
    kept.destroy()
    return { sent, losses }
  }
}

async function line (replica: Replica, event: string): Promise<LogLine> {
  for (;; await sleep(20)) {
    const found = replica.lines.find((one) => one.event === event)
    if (found !== undefined) return found
  }
}

const primaries: Array<[name: string, given: object, longest: number]> = [
  ['with SIGTERM', { how: 'signal' }, 9000],
  ['with worker.disconnect()', { how: 'disconnect' }, 9000],
  ['with worker.disconnect(), called by each itself', { how: 'itself' }, 9000],
  ['with SIGTERM, three of them', { how: 'signal', workers: 3 }, 9000]
]

for (const [name, given, longest] of primaries) {
  // Scenario (Who is in front): Somebody else's cluster replaces its workers
  t.test(`a primary of somebody else's cluster replaces its workers one by one, ${name}`, async (t) => {
    const primary = await start(t, given, 'primary.js')
    await line(primary, 'primary.ready')
    const stop = load(primary.port, 40)
    await sleep(1500)
    const watch = new Stopwatch(primary.pid)
    primary.kill('SIGUSR2')
    await line(primary, 'primary.done')
    watch.stop()
    await sleep(300)
    const { sent, losses } = await stop()
    t.strictSame(losses.slice(0, 5), [], `0 of ${sent} lost`)
    const replaced = primary.lines.filter(({ event }) => event === 'primary.replaced')
    for (const { took, code, signal, wanted } of replaced) {
      t.strictSame([code, signal], [0, null])
      if (!name.startsWith('with SIGTERM')) t.equal(wanted, true, 'the primary has heard that this end is wanted')
      inTime(t, { time: Number(took), late: watch.late }, [0, longest], 'gone after')
    }
    const reports = primary.lines.filter(({ event }) => event === 'graceful.report')
      .map(({ report }) => report!)
    t.equal(reports.length, replaced.length)
    for (const { verdict, advice, traffic, phases } of reports) {
      t.equal(verdict, 'clean')
      t.strictSame(advice, [])
      t.equal(traffic.lateArrivals, 0, 'nobody is alarmed')
      t.notOk(phases.some(({ phase }) => phase === 'announcing'), 'phase 1 is left out')
    }
    t.strictSame(primary.lines.filter(isWarning), [])
  })
}

// How long a probe waits while a thousand strangers with the prober's own address connect at once and ask for one probe
// each, which nobody can tell from the prober's:
//
//     npm run bursts -- [--bursts 16] [--connections 1000] [--doors watchdog,supervisor,bare]
//
// `bare` is a server that does nothing but accept: what is left with it is Node's and the machine's.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fork } from '../../process/fork.ts'
import type { Fork } from '../../process/fork.ts'
import { disguisedAs, tcp } from '../attacks.ts'
import { besiege, startProbing } from '../siege.ts'
import type { Cost } from '../siege.ts'

const { values } = parseArgs({
  options: {
    bursts: { type: 'string', default: '16' },
    connections: { type: 'string', default: '1000' },
    doors: { type: 'string', default: 'watchdog,supervisor' }
  }
})
const [bursts, connections] = [Number(values.bursts), Number(values.connections)]
const given = { node: ['--max-old-space-size=256'], env: { NODE_ENV: '' }, timeout: 3_600_000 }

const doors: Record<string, () => Promise<{ app: Fork, port: number }>> = {
  async watchdog () {
    const options = { watchdog: { port: 0, host: '127.0.0.1' } }
    const app = fork('../../security/fixtures/service.js', { ...given, given: { options } })
    return { app, port: Number((await app.waitForLine(/^ports \d+ (\d+)$/m))[1]) }
  },
  async supervisor () {
    const cli = fileURLToPath(new URL('../../../dist/cli/index.js', import.meta.url))
    const app = fork('parent.js', { ...given, node: [...given.node, cli, 'run', '--status-port', '0'] })
    const said = await app.waitForLine(/"event":"graceful\.supervisor\.status","address":"([^"]+)"/)
    await app.waitForLine(/"ready":true/)
    return { app, port: Number(new URL(said[1]!).port) }
  },
  async bare () {
    const app = fork('../../security/fixtures/bare.js', given)
    return { app, port: Number((await app.waitForLine(/^ports (\d+)$/m))[1]) }
  }
}

/** How long each thread of a process has run, in milliseconds. */
function runOf (pid: number): Map<string, number> {
  const folder = `/proc/${pid}/task`
  const timeOf = (thread: string): number =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6
  return new Map(readdirSync(folder).map((thread) => [thread, timeOf(thread)]))
}

/** The least, the median and the most, in whole milliseconds. */
function spread (times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b).map((time) => Math.round(time))
  return `${sorted[0]} to ${sorted.at(-1)} ms, median ${sorted[Math.floor(sorted.length / 2)]} ms`
}

const attacked = (before: Map<string, number>, after: Map<string, number>): number =>
  Math.max(...[...after].map(([thread, time]) => time - (before.get(thread) ?? 0)))

for (const door of values.doors.split(',')) {
  const { app, port } = await doors[door]!()
  const pid = app.child.pid!
  const prober = await startProbing({ port }, pid)
  for (const attack of disguisedAs(connections)) {
    const costs: Cost[] = []
    const run: number[] = []
    for (let count = 0; count < bursts / 2; count++) {
      const before = runOf(pid)
      costs.push(await besiege(attack, tcp(port), pid, prober))
      run.push(attacked(before, runOf(pid)))
      await sleep(300)
    }
    const failed = costs.filter((cost) => cost.failed > 0).length
    console.log([
      `${door}: ${attack.name}: ${spread(costs.map(({ served }) => served))}`,
      `with the waits for a processor ${spread(costs.map(({ longest }) => longest))}`,
      `the thread ran ${spread(run)}`,
      `${failed} of ${costs.length} with a probe without an answer`,
      costs.map(({ served }) => Math.round(served)).join(' ')
    ].join('; '))
  }
  await prober.stop()
  app.kill('SIGKILL')
  await app.result
}

// How long a probe waits while a thousand strangers with the prober's own address connect at once and ask for one probe
// each, which nobody can tell from the prober's:
//
//     npm run bursts -- [--bursts 18] [--connections 1000] [--doors watchdog,supervisor,bare] [--fresh]
//
// With `--fresh` each crowd is the first of a process of its own, which has had the time to rest after its start; the
// attacker and the prober have seen some before. `bare` is a server that does nothing but accept: what is left with it is Node's and the machine's.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { disguisedAs, tcp } from '../attacks.ts'
import type { Attack } from '../attacks.ts'
import { runOf, startDoor, untilItRests } from '../own-doors.ts'
import type { OwnDoor } from '../own-doors.ts'
import { besiege, startWarmProbing } from '../siege.ts'
import type { Cost, Prober } from '../siege.ts'

const { values } = parseArgs({
  options: {
    bursts: { type: 'string', default: '18' },
    connections: { type: 'string', default: '1000' },
    doors: { type: 'string', default: 'watchdog,supervisor' },
    fresh: { type: 'boolean', default: false }
  }
})
const attacks = disguisedAs(Number(values.connections))
const bursts = Math.ceil(Number(values.bursts) / attacks.length)
const patience = 3_600_000

/** The least, the median and the most, in whole milliseconds. */
function spread (times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b).map((time) => Math.round(time))
  return `${sorted[0]} to ${sorted.at(-1)} ms, median ${sorted[Math.floor(sorted.length / 2)]} ms`
}

const attacked = (before: Map<string, number>, after: Map<string, number>): number =>
  Math.max(...[...after].map(([thread, time]) => time - (before.get(thread) ?? 0)))

interface Burst { cost: Cost, run: number }

async function burst ({ app, port }: OwnDoor, attack: Attack, prober: Prober): Promise<Burst> {
  const pid = app.child.pid!
  const before = runOf(pid)
  const cost = await besiege(attack, tcp(port), pid, prober)
  return { cost, run: attacked(before, runOf(pid)) }
}

async function end ({ app }: OwnDoor): Promise<void> {
  app.kill('SIGKILL')
  await app.result
}

async function fresh (door: keyof typeof startDoor, prober: Prober): Promise<OwnDoor> {
  const opened = await startDoor[door](patience)
  await untilItRests(opened.app.child.pid!)
  await prober.turnTo({ port: opened.port }, opened.app.child.pid!)
  return opened
}

function tell (name: string, all: readonly Burst[]): void {
  const costs = all.map(({ cost }) => cost)
  console.log([
    `${name}: ${spread(costs.map(({ served }) => served))}`,
    `with the waits for a processor ${spread(costs.map(({ longest }) => longest))}`,
    `the thread ran ${spread(all.map(({ run }) => run))}`,
    `${costs.filter(({ failed }) => failed > 0).length} of ${costs.length} with a probe without an answer`,
    costs.map(({ served }) => Math.round(served)).join(' ')
  ].join('; '))
}

const prober = await startWarmProbing(attacks)
for (const door of values.doors.split(',') as Array<keyof typeof startDoor>) {
  const opened = values.fresh ? undefined : await fresh(door, prober)
  for (const attack of attacks) {
    const all: Burst[] = []
    for (let count = 0; count < bursts; count++) {
      const attacked = opened ?? await fresh(door, prober)
      all.push(await burst(attacked, attack, prober))
      if (opened === undefined) await end(attacked)
      else await sleep(300)
    }
    tell(`${door}: ${attack.name}`, all)
  }
  if (opened !== undefined) await end(opened)
}
await prober.stop()

// What `process.nextTick` costs before and after all garbage was collected while no tick was pending, with and
// without an application that has registered the plugin, which holds a tick (lib/process/host.ts). Nanoseconds of
// processor time per tick.
//   node bench/tick.js [--collections 6]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { head, row } from './support.js'

const { values: options } = parseArgs({
  options: { collections: { type: 'string', default: '6' }, child: { type: 'string' } }
})
const ticks = 3e6

/** Ticks one after the other, each with an argument, as Node's streams make them. */
async function measure () {
  const before = process.cpuUsage()
  await new Promise(resolve => {
    let left = ticks
    const next = () => {
      if (--left > 0) process.nextTick(next, left)
      else resolve()
    }
    process.nextTick(next, left)
  })
  const { user, system } = process.cpuUsage(before)
  return (user + system) / ticks * 1000
}

if (options.child === undefined) {
  console.log(`Node ${process.version}, ${options.collections} collections, ${ticks} ticks\n`)
  console.log(head(['set-up', 'ns per tick before', 'after the collections', 'again']))
  for (const setUp of ['bare', 'ours']) {
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--expose-gc', fileURLToPath(import.meta.url), '--child', setUp, '--collections', options.collections],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }
    )
    if (status !== 0) throw new Error(`the process of ${setUp} ended with ${status}`)
    console.log(row([setUp, ...stdout.trim().split(' ')]))
  }
} else {
  const { default: Fastify } = await import('fastify')
  const { default: setUp } = await import(`./variants/${options.child}.js`)
  const app = Fastify()
  await setUp(app)
  await app.ready()
  await measure()
  const figures = [await measure()]
  for (let collection = 0; collection < Number(options.collections); collection++) {
    await sleep(5)
    globalThis.gc()
  }
  figures.push(await measure(), await measure())
  console.log(figures.map(figure => figure.toFixed(0)).join(' '))
  process.exit()
}

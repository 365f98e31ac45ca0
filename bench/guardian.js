// What the guardian costs a service that rests: memory, processor time, and the start. The variants rest at the same time.
//
//     node bench/guardian.js [--rounds 7] [--rest 15000]
import { parseArgs } from 'node:util'
import { head, machine, median, row, start, stop } from './support.js'

const { values: { rounds, rest } } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, rest: { type: 'string', default: '15000' } } })
const variants = { 'without a guardian': false, guardian: { enabled: true }, 'guardian with a port': { port: 0, host: '127.0.0.1' } }

const runs = Object.fromEntries(Object.keys(variants).map(name => [name, []]))
for (let round = 0; round < Number(rounds); round++) {
  await Promise.all(Object.entries(variants).map(async ([name, guardian], index) => {
    // One after the other into their start, so that they do not slow each other there.
    await new Promise(resolve => { setTimeout(resolve, index * 3000) })
    const { child, ...result } = await start('guardian-service.js', [JSON.stringify(guardian), rest], { execArgv: ['--expose-gc'] })
    runs[name].push(result)
    await stop(child)
  }))
}

const middle = (name, key) => median(runs[name].map(run => run[key]))
console.log(`${machine()}, medians of ${rounds} runs, ${rest} ms of rest each\n`)
console.log(head(['', 'resident memory, MiB', 'processor time at rest, % of a core', 'boot, ms', 'main thread held at the start, ms']))
const [first] = Object.keys(variants)
for (const name of Object.keys(variants)) {
  const cells = ['rss', 'cpu', 'boot', 'held'].map((key) => {
    const value = middle(name, key)
    const digits = key === 'cpu' ? 2 : 1
    const more = value - middle(first, key)
    return name === first ? value.toFixed(digits) : `${value.toFixed(digits)} (${more < 0 ? '' : '+'}${more.toFixed(digits)})`
  })
  console.log(row([name, ...cells]))
}

// What the watchdog costs a service that rests: memory, processor time and the start, of all variants side by side.
// And how long a probe waits while the event loop is busy: each on a connection of its own, as a kubelet asks.
//
//     node bench/watchdog.js [--rounds 3] [--rest 12000] [--busy 2000]
import { get } from 'node:http'
import { parseArgs } from 'node:util'
import { ask, head, machine, median, row, start, stop } from './support.js'

const { values: { rounds, rest, busy } } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    rest: { type: 'string', default: '12000' },
    busy: { type: 'string', default: '2000' }
  }
})
const variants = {
  'without a watchdog': false,
  watchdog: { enabled: true },
  'watchdog with a port': { port: 0, host: '127.0.0.1' }
}

const runs = Object.fromEntries(Object.keys(variants).map(name => [name, []]))
const probes = { application: [], watchdog: [] }

/** Milliseconds until a probe is answered. */
function probe (port) {
  const from = performance.now()
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/readyz', agent: false }, (response) => {
      response.resume().once('end', () => { resolve(performance.now() - from) })
    }).once('error', reject)
  })
}

async function probeWhileBusy (child, ports) {
  for (const [name, port] of Object.entries(ports)) {
    await ask(child, { busy: Number(busy) })
    // Not the first turns: what is counted comes when none of them is free.
    const end = performance.now() + Number(busy) - 200
    while (performance.now() < end) probes[name].push(await probe(port))
    await new Promise(resolve => { setTimeout(resolve, 400) })
  }
}

for (let round = 0; round < Number(rounds); round++) {
  const rested = await Promise.all(Object.entries(variants).map(async ([name, watchdog], index) => {
    // One after the other into their start, so that they do not slow each other there.
    await new Promise(resolve => { setTimeout(resolve, index * 3000) })
    const { child, ports, ...result } = await start(
      'watchdog-service.js',
      [JSON.stringify(watchdog), rest],
      { execArgv: ['--expose-gc'] }
    )
    runs[name].push(result)
    if (ports.watchdog === undefined) await stop(child)
    return { child, ports }
  }))
  const { child, ports } = rested.at(-1)
  await probeWhileBusy(child, ports)
  await stop(child)
}

const middle = (name, key) => median(runs[name].map(run => run[key]))
console.log(`${machine()}, medians of ${rounds} runs, ${rest} ms of rest each\n`)
console.log(head([
  '',
  'resident memory, MiB',
  'processor time at rest, % of a core',
  'boot, ms',
  'main thread held at the start, ms'
]))
const [first] = Object.keys(variants)
for (const name of Object.keys(variants)) {
  const cells = ['rss', 'cpu', 'boot', 'held'].map((key) => {
    const value = middle(name, key)
    const digits = key === 'cpu' ? 2 : 1
    const more = value - middle(first, key)
    return name === first
      ? value.toFixed(digits)
      : `${value.toFixed(digits)} (${more < 0 ? '' : '+'}${more.toFixed(digits)})`
  })
  console.log(row([name, ...cells]))
}
console.log(`\nProbes of readiness while the event loop is 100 % busy, 50 ms per turn\n\n${head([
  'answered on the port of the', 'probes', 'p50, ms', 'p99, ms', 'longest, ms'
])}`)
for (const [name, times] of Object.entries(probes)) {
  const sorted = times.toSorted((a, b) => a - b)
  const at = share => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1)
  console.log(row([name, sorted.length, at(0.5), at(0.99), at(1)]))
}

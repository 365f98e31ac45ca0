// Processor time per request of one set-up against another: two servers under the same load, in turns of a few
// milliseconds.
//   node bench/cpu.js [--a variant] [--b variant] [--pairs 15] [--requests 100000] [--warmup 20000] [--connections 128]
//   node bench/cpu.js [--protocol http1|http2|both]  which protocols
//   node bench/cpu.js [--settle 12]  how many seconds after its start a server gets load
//   node bench/cpu.js --profile folder [--pairs 1] ...  writes a .cpuprofile of each server there
//   node bench/cpu.js --fresh        in processes that have done nothing before; see cpu-server.js
//   node bench/cpu.js --collection none|plain  without the full collection of garbage before the load, or in another
//                                    way; see there
//   node bench/cpu.js --load module --load ...  in processes that have loaded these modules, or files, before
//   node bench/cpu.js --served       in processes that have served another application before; see earlier-life.js
//   node bench/cpu.js --table        every variant of bench/variants against bare Fastify
// Both servers run as in production: NODE_ENV=production, the plugin with its watchdog. Where the mean of `ours` is
// above 1.02 it says so and exits with 1.
// A variant is a name in bench/variants or the path of a file whose default export sets the app up.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ask, expectLimit, head, here, installPeers, median, row, start } from './support.js'

const { values: options } = parseArgs({
  options: {
    a: { type: 'string', default: 'bare' },
    b: { type: 'string', default: 'ours' },
    pairs: { type: 'string', default: '15' },
    requests: { type: 'string', default: '100000' },
    warmup: { type: 'string', default: '20000' },
    connections: { type: 'string', default: '128' },
    protocol: { type: 'string', default: 'both' },
    settle: { type: 'string', default: '12' },
    profile: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    served: { type: 'boolean', default: false },
    collection: { type: 'string' },
    load: { type: 'string', multiple: true, default: [] },
    table: { type: 'boolean', default: false }
  }
})
const pairs = Number(options.pairs)
const connections = Number(options.connections)
const rounds = Math.ceil(Number(options.requests) / connections)
const life = options.served ? 'served' : options.fresh ? 'fresh' : 'lived-in'
const warmup = Math.ceil(Number(options.warmup) / connections)

const collection = options.collection ?? (options.fresh ? 'none' : 'held')
if (!['none', 'plain', 'held'].includes(collection)) {
  throw new Error(`--collection: expected none, plain or held, got ${collection}`)
}

if (!['http1', 'http2', 'both'].includes(options.protocol)) {
  throw new Error(`--protocol: expected http1, http2 or both, got ${options.protocol}`)
}
const settle = Number(options.settle) * 1000
if (!(settle >= 0)) throw new Error(`--settle: expected seconds, got ${options.settle}`)
const protocols = options.protocol === 'both' ? ['http1', 'http2'] : [options.protocol]
const limit = 1.02

const execArgv = [
  ...collection === 'none' ? [] : ['--expose-gc'],
  ...options.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`] : []
]

const file = variant => existsSync(variant) ? resolve(variant) : here(`variants/${variant}.js`)
const title = variant => basename(variant, '.js')

/** Lets a child end by itself, so that its profile is written. */
async function release (child) {
  if (!child.connected) return
  const gone = once(child, 'exit')
  child.disconnect()
  await gone
}

/**
 * Binds a process to a processor, where the system can: otherwise it depends on who sits where how often a reply
 * that wakes the client costs the server its turn, and the slower server is hit more often.
 */
function pin (child, processor) {
  spawnSync('taskset', ['-apc', String(processor), String(child.pid)], { stdio: 'ignore' })
}

/** Microseconds per request of both servers of one fresh pair; the first named is started first. */
async function measure (protocol, first, second) {
  const servers = []
  for (const variant of [first, second]) {
    servers.push(await start(
      'cpu-server.js',
      [file(variant), life, collection, ...options.load.map(module => (existsSync(module) ? resolve(module) : module))],
      { execArgv, env: { ...process.env, NODE_ENV: 'production', BENCH_PROTOCOL: protocol } }
    ))
  }
  // V8 tidies the watchdog's new thread some eight seconds after its start, which belongs to no request.
  await sleep(settle)
  const load = await start('cpu-load.js', [protocol, connections, ...servers.map(server => server.port)])
  const cores = availableParallelism()
  for (const server of servers) pin(server.child, cores - 1)
  if (cores > 1) pin(load.child, 0)
  try {
    await ask(load.child, warmup)
    const before = await Promise.all(servers.map(server => ask(server.child, 'cpu')))
    await ask(load.child, rounds)
    const after = await Promise.all(servers.map(server => ask(server.child, 'cpu')))
    return after.map((now, index) => (now.microseconds - before[index].microseconds) / (rounds * connections))
  } finally {
    await Promise.all([load, ...servers].map(({ child }) => release(child)))
  }
}

async function compare (protocol, a, b) {
  const results = []
  for (let pair = 0; pair < pairs; pair++) {
    const swap = pair % 2 === 1
    const measured = swap ? (await measure(protocol, b, a)).toReversed() : await measure(protocol, a, b)
    results.push({ a: measured[0], b: measured[1], ratio: measured[1] / measured[0] })
    console.error(
      `${protocol}, ${title(b)} / ${title(a)}, pair ${pair + 1}: `
        + `${measured.map(us => us.toFixed(2)).toReversed().join(' / ')} µs = ${(measured[1] / measured[0]).toFixed(4)}`
    )
  }
  const ratios = results.map(result => result.ratio)
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / pairs
  const error = Math.sqrt(ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0) / (pairs - 1) / pairs)
  if (title(b) === 'ours') means.push({ protocol, mean })
  return row([
    protocol, title(b), title(a), median(ratios).toFixed(3), Math.min(...ratios).toFixed(3),
    Math.max(...ratios).toFixed(3), pairs > 1 ? `${mean.toFixed(3)} ± ${error.toFixed(3)}` : '-',
    median(results.map(result => result.b)).toFixed(2), median(results.map(result => result.a)).toFixed(2)
  ])
}

const means = []
installPeers()
const tables = ['bare', 'ours', 'on-request', 'on-request-close', 'terminus', 'stoppable', 'http-terminator']
const jobs = options.table ? tables.map(variant => ['bare', variant]) : [[options.a, options.b]]
console.log(
  `${pairs} fresh process pairs, ${rounds * connections} measured requests each in ${life} processes, `
    + `${options.load.map(module => `with ${module}, `).join('')}collection of garbage before: ${collection}, `
    + `${connections} connections per server; load from ${options.settle} s after the start, NODE_ENV=production, `
    + `limit of the mean of \`ours\`: ${limit}\n`
)
console.log(head([
  'protocol', 'set-up', 'against', 'ratio (median)', 'min', 'max', 'mean ± its error', 'µs per request', 'µs against'
]))
for (const protocol of protocols) {
  // The peers are compared over HTTP/1 alone: most of them know no HTTP/2.
  for (const [a, b] of protocol === 'http1' ? jobs : jobs.filter(job =>
    job.every(name => ['bare', 'ours'].includes(name) || !tables.includes(name)))) {
    console.log(await compare(protocol, a, b))
  }
}
for (const { protocol, mean } of means) {
  expectLimit(`processor time of \`ours\` over ${protocol}, mean of ${pairs} pairs`, Number(mean.toFixed(3)), limit)
}

// A rolling update of three replicas under load, for every peer of launch.js: what the clients lost.
//   node bench/rollout.js [--updates 1] [--only name,name] [--rate 290] [--delay 5000]
// As a Deployment does it: a fresh replica is added, an old one gets SIGTERM and leaves the rotation two seconds
// later, and the next one's turn does not wait for its end. Thirty seconds after SIGTERM comes SIGKILL.
import { parseArgs } from 'node:util'
import { drill, lossKinds } from '../dist/drill/index.js'
import { contenders, launchOf, titleOf } from './launch.js'
import { users } from './rollout-users.js'
import { head, installPeers, median, row } from './support.js'

const { values: options } = parseArgs({
  options: {
    updates: { type: 'string', default: '1' },
    only: { type: 'string', default: Object.keys(contenders).join(',') },
    rate: { type: 'string', default: '290' },
    delay: { type: 'string', default: '5000' }
  }
})

/** One update: what `drill` has seen, and of each old replica whether its `onClose` ran, too. */
async function update (name, delay) {
  // With a delay, everything happens that much later, and no timeout of the package cuts a request.
  const times = delay ? { delay, timeout: delay + 25_000 } : {}
  const { env, ...service } = launchOf(name, { routes: 'rollout-routes.js', ...times })
  const result = await drill({
    service: {
      ...service,
      env: contenders[name].ours ? { ...env, KUBERNETES_SERVICE_HOST: '127.0.0.1' } : env,
      // Not all of them have a route for readiness.
      readyPath: '/immediate',
      bootWithin: 120_000
    },
    rate: Number(options.rate),
    profiles: users,
    lag: 2000,
    stagger: 4000,
    grace: 30_000,
    warmUp: 3000,
    coolDown: 1000
  })
  const { longestPause } = result
  if (longestPause > 2000) console.error(`${name}: the client itself stood still for up to ${longestPause} ms`)
  const retired = result.departures.map(departure => {
    const { log } = result.replicas.find(replica => replica.name === departure.name)
    return { ...departure, onClose: log.some(({ msg }) => msg === 'onClose') }
  })
  return { ...result, retired }
}

function tableRow (name, delay, updates) {
  const total = count => updates.reduce((sum, result) => sum + count(result), 0)
  const retired = updates.flatMap(result => result.retired)
  const byKind = Object.keys(lossKinds).map(kind => [total(result => result.byKind[kind] ?? 0), kind])
    .filter(([count]) => count > 0)
  const lost = byKind.reduce((sum, [count]) => sum + count, 0) / updates.length
  const closed = retired.filter(replica => replica.onClose).length
  const times = retired.map(replica => replica.took / 1000)
  return row([
    titleOf(name),
    contenders[name].ours ? 'defaults in Kubernetes' : delay ? `${delay / 1000} s delay` : 'as documented',
    total(result => result.requests),
    `**${Number(lost.toFixed(1))}**`,
    byKind.map(([count, kind]) => `${count} ${kind}`).join(', ') || '-',
    [...new Set(retired.map(({ code, signal }) => signal ?? code))].join(', '),
    closed === retired.length ? 'yes' : closed === 0 ? 'no' : `${closed} of ${retired.length}`,
    `${median(times).toFixed(1)} s (${Math.max(...times).toFixed(1)} s)`
  ])
}

installPeers()
// Whoever breaks the run off leaves no replica behind.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
console.log(head([
  'package', 'set-up', 'requests', 'lost per update', 'in all updates, by kind', 'exit', 'onClose ran',
  'SIGTERM to exit, median (max)'
]))
for (const name of options.only.split(',')) {
  const { ours, onlyDelayed, takesDelay } = contenders[name]
  const delays = [...onlyDelayed ? [] : [0], ...takesDelay && !ours ? [Number(options.delay)] : []]
  for (const delay of delays) {
    const updates = []
    for (let count = 0; count < Number(options.updates); count++) updates.push(await update(name, delay))
    console.log(tableRow(name, delay, updates))
  }
}

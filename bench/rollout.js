// A rolling update of three replicas under load, for every way down that peers.js knows: what the clients lost.
//   node bench/rollout.js [--updates 1] [--only name,name] [--clients 390] [--delay 5000]
// As a Deployment does it: a fresh replica is added, an old one gets SIGTERM and leaves the rotation two seconds
// later, and the next one's turn does not wait for its end. Thirty seconds after SIGTERM comes SIGKILL.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { peers } from './peers.js'
import { createBalancer } from './rollout-balancer.js'
import { failures, startClients } from './rollout-client.js'
import { head, installPeers, median, peerTitle, row, start, stop } from './support.js'

const removal = 2000
const step = 4000
const grace = 30_000

const { values: options } = parseArgs({
  options: {
    updates: { type: 'string', default: '1' },
    only: { type: 'string', default: Object.keys(peers).join(',') },
    clients: { type: 'string', default: '390' },
    delay: { type: 'string', default: '5000' }
  }
})

async function startReplica (name, delay) {
  const env = peers[name].ours ? { ...process.env, KUBERNETES_SERVICE_HOST: '127.0.0.1' } : process.env
  const replica = await start('rollout-service.js', [name, delay], { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  replica.onClose = false
  replica.child.stdout.on('data', text => { replica.onClose ||= text.includes('onClose') })
  return replica
}

/** SIGTERM, out of rotation, the end. */
async function retire (replica, balancer) {
  const { child } = replica
  const gone = once(child, 'exit')
  const from = performance.now()
  child.kill('SIGTERM')
  const out = sleep(removal).then(() => balancer.remove(replica.port))
  const kill = setTimeout(() => child.kill('SIGKILL'), grace)
  const [code, signal] = await gone
  const took = performance.now() - from
  clearTimeout(kill)
  await out
  return { end: signal ?? code, took, onClose: replica.onClose }
}

async function update (name, delay) {
  const balancer = await createBalancer()
  const old = await Promise.all([1, 2, 3].map(() => startReplica(name, delay)))
  for (const replica of old) balancer.add(replica.port)
  const clients = startClients(balancer, Number(options.clients))
  const from = performance.now()
  await sleep(3000)
  const fresh = []
  const ends = []
  for (const replica of old) {
    const next = await startReplica(name, delay)
    fresh.push(next)
    balancer.add(next.port)
    ends.push(retire(replica, balancer))
    await sleep(step)
  }
  const retired = await Promise.all(ends)
  await sleep(1000)
  const seconds = (performance.now() - from) / 1000
  const rate = clients.result.requests / seconds
  await clients.stop()
  await Promise.all(fresh.map(replica => stop(replica.child)))
  balancer.close()
  return { ...clients.result, rate, retired }
}

function tableRow (name, delay, updates) {
  const total = count => updates.reduce((sum, result) => sum + count(result), 0)
  const retired = updates.flatMap(result => result.retired)
  const byKind = failures.map(kind => [total(result => result.lost[kind]), kind]).filter(([count]) => count > 0)
  const lost = byKind.reduce((sum, [count]) => sum + count, 0) / updates.length
  const closed = retired.filter(replica => replica.onClose).length
  const times = retired.map(replica => replica.took / 1000)
  return row([
    name in peers && name !== 'plain close' && !peers[name].ours ? peerTitle(name) : name,
    peers[name].ours ? 'defaults in Kubernetes' : delay ? `${delay / 1000} s delay` : 'as documented',
    total(result => result.requests), Math.round(median(updates.map(result => result.rate))),
    `**${Number(lost.toFixed(1))}**`,
    byKind.map(([count, kind]) => `${count} ${kind}`).join(', ') || '-',
    [...new Set(retired.map(replica => replica.end))].join(', '),
    closed === retired.length ? 'yes' : closed === 0 ? 'no' : `${closed} of ${retired.length}`,
    `${median(times).toFixed(1)} s (${Math.max(...times).toFixed(1)} s)`
  ])
}

installPeers()
console.log(head([
  'package', 'set-up', 'requests', 'per second', 'lost per update', 'in all updates, by kind', 'exit', 'onClose ran',
  'SIGTERM to exit, median (max)'
]))
for (const name of options.only.split(',')) {
  const delays = peers[name].ours ? [0] : [0, Number(options.delay)]
  for (const delay of delays) {
    const updates = []
    for (let count = 0; count < Number(options.updates); count++) updates.push(await update(name, delay))
    console.log(tableRow(name, delay, updates))
  }
}

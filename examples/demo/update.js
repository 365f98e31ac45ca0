// One rolling update: three replicas under load, each replaced in turn, its successor ready first.
import { setTimeout as sleep } from 'node:timers/promises'
import { startBalancer } from './balancer.js'
import { startLoad } from './load.js'
import { killReplicas, startReplica } from './replicas.js'
import { settings } from './settings.js'
import { Tally } from './tally.js'

/** How many replicas there are. */
const count = 3

/**
 * Runs the update to its end.
 * @param {'graceful' | 'plain'} shutdown what a replica does on SIGTERM
 * @param observer told of the update when it begins and ends, and of every event in between
 * @returns the update: its tally, its replicas in the order of their start, `begun`, `loaded` (when the load began)
 *   and `ended` in epoch milliseconds
 */
export async function rollingUpdate ({ shutdown, photos, observer }) {
  const update = {
    shutdown, tally: new Tally(), replicas: [], begun: Date.now(), loaded: undefined, ended: undefined,
    inRotation: undefined
  }
  const balancer = await startBalancer()
  update.inRotation = (replica) => balancer.has(replica.port)
  observer.begin(update)

  const start = (name) => startReplica({
    name,
    shutdown,
    photos,
    started: (replica) => update.replicas.push(replica),
    changed: (replica) => {
      if (update.ended === undefined) observer.event(replica, replica.phase)
    }
  })
  const replace = async (old, name) => {
    const successor = await start(name)
    balancer.add(successor.port)
    await Promise.all([old.terminate(), removeLater(balancer, old, observer)])
  }

  const olds = await Promise.all(Array.from({ length: count }, (_, index) => start(`${index + 1} v1`)))
  for (const { port } of olds) balancer.add(port)
  update.loaded = Date.now()
  const load = startLoad(balancer.port, update.tally)
  await sleep(settings.calm.before)
  for (const [index, old] of olds.entries()) await replace(old, `${index + 1} v2`)
  await sleep(settings.calm.after)
  await load.stop()

  update.ended = Date.now()
  observer.end(update)

  // Nothing is measured any more.
  balancer.close()
  killReplicas()
  await Promise.all(update.replicas.map((replica) => replica.exited))
  return update
}

async function removeLater (balancer, replica, observer) {
  const { least, most } = settings.outOfRotation
  await sleep(least + Math.random() * (most - least))
  balancer.remove(replica.port)
  replica.removed = Date.now()
  observer.event(replica, 'out of rotation')
}

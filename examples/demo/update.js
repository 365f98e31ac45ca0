// One rolling update: three replicas under load, each replaced in turn, its successor ready first.
import { fileURLToPath } from 'node:url'
import { drill } from '../../dist/drill/index.js'
import { profiles, rate } from './load.js'
import { keepOpen } from './long-lived.js'
import { settings } from './settings.js'

const program = fileURLToPath(new URL('replica.js', import.meta.url))

/** What the demo shows of one replica. */
class Row {
  #replica
  #figures = { inFlight: 0, connections: 0 }

  constructor (replica) { this.#replica = replica }

  get name () { return this.#replica.name }
  get phase () { return this.#replica.phase }
  get history () { return this.#replica.history }
  get signalled () { return this.#replica.signalledAt }
  get removed () { return this.#replica.removedAt }
  get exit () { return this.#replica.exit }
  get log () { return this.#replica.log }
  get inFlight () { return this.exit === undefined ? this.#figures.inFlight : 0 }
  get connections () { return this.exit === undefined ? this.#figures.connections : 0 }

  is (replica) { return replica === this.#replica }

  isIn (front) { return front.has(this.#replica) }

  read ({ event, inFlight, connections }) {
    if (event === 'demo.status') this.#figures = { inFlight, connections }
  }
}

/** One update: its tally, its rows in the order of their start, and when it began and ended. */
class Update {
  replicas = []
  #state

  constructor (shutdown, state) {
    this.shutdown = shutdown
    this.#state = state
  }

  get tally () { return this.#state.tally }
  get begun () { return this.#state.begunAt }
  get loaded () { return this.#state.loadedAt }
  get ended () { return this.#state.endedAt }

  inRotation (row) { return row.isIn(this.#state.front) }

  rowOf (replica) {
    const known = this.replicas.find((row) => row.is(replica))
    if (known !== undefined) return known
    const row = new Row(replica)
    this.replicas.push(row)
    return row
  }
}

/**
 * Runs the update to its end.
 * @param {'graceful' | 'plain'} shutdown what a replica does on SIGTERM
 * @param observer told of the update when it begins and ends, and of every event in between
 * @returns {Promise<Update>}
 */
export async function rollingUpdate ({ shutdown, photos, observer }) {
  const { gracePeriod, outOfRotation: { least, most }, calm } = settings
  const grace = String(gracePeriod / 1000)
  let update
  await drill({
    service: {
      command: [process.execPath, program, shutdown],
      env: { ...process.env, PHOTOS: photos, TERMINATION_GRACE_PERIOD_SECONDS: grace },
      readPhase: ({ event, phase }) => event === 'demo.status' ? phase : undefined
    },
    nameOf: (index, isSuccessor) => `${index + 1} ${isSuccessor ? 'v2' : 'v1'}`,
    profiles,
    rate,
    timeout: 10_000,
    moreLoad: ({ port }, tally) => keepOpen({ port, tally, count: 4 }),
    lag: [least, most],
    grace: gracePeriod,
    warmUp: calm.before,
    coolDown: calm.after,
    observer: {
      begin (state) {
        update = new Update(shutdown, state)
        observer.begin(update)
      },
      changed (replica, what) {
        const row = update.rowOf(replica)
        if (what !== 'signalled' && update.ended === undefined) observer.event(row, what)
      },
      line: (replica, line) => update.rowOf(replica).read(line),
      end: () => observer.end(update)
    }
  })
  return update
}

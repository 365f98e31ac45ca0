// One rolling update: three replicas under load, each replaced in turn, its successor ready first.
import { fileURLToPath } from 'node:url'
import { drill } from '../../dist/drill/index.js'
import { keepOpen } from './long-lived.js'
import { profiles, rate } from './load.js'
import { settings } from './settings.js'

const program = fileURLToPath(new URL('replica.js', import.meta.url))
const { gracePeriod, outOfRotation, calm } = settings

/** What a replica says of itself while it has not said anything, and when it is gone. */
const nothing = { inFlight: 0, connections: 0 }

/**
 * Runs the update to its end.
 * @param {'graceful' | 'plain'} shutdown what a replica does on SIGTERM
 * @param observer told of the update when it begins and ends, and of every event in between. An update is `shutdown`,
 *   the state of the `drill` (its tally, its front, its replicas in the order of their start), and `figuresOf(replica)`
 * @returns what was seen, as `drill` has it
 */
export async function rollingUpdate ({ shutdown, photos, observer }) {
  const figures = new Map()
  const update = {
    shutdown,
    drill: undefined,
    figuresOf: (replica) => replica.exit === undefined ? figures.get(replica) ?? nothing : nothing
  }
  return await drill({
    service: {
      command: [process.execPath, program, shutdown],
      env: { ...process.env, PHOTOS: photos, TERMINATION_GRACE_PERIOD_SECONDS: String(gracePeriod / 1000) },
      readyPath: '/readyz',
      readPhase: ({ event, phase }) => event === 'demo.status' ? phase : undefined
    },
    nameOf: (index, isSuccessor) => `${index + 1} v${isSuccessor ? 2 : 1}`,
    lag: [outOfRotation.least, outOfRotation.most],
    grace: gracePeriod,
    warmUp: calm.before,
    coolDown: calm.after,
    rate,
    profiles,
    timeout: 10_000,
    moreLoad: keepOpen,
    observer: {
      begin (state) {
        update.drill = state
        observer.begin(update)
      },
      line (replica, { event, inFlight, connections }) {
        if (event === 'demo.status') figures.set(replica, { inFlight, connections })
      },
      changed (replica, what) {
        if (what !== 'signalled' && update.drill.endedAt === undefined) observer.event(update, replica, what)
      },
      ended: () => observer.end(update)
    }
  })
}

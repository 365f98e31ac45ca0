// One rolling update: three replicas under load, each replaced in turn, its successor ready first.
import { fileURLToPath } from 'node:url'
import { drill } from '../../dist/drill/index.js'
import { showDrills } from '../../dist/drill/view.js'
import { profiles, rate, stays } from './load.js'
import { settings } from './settings.js'

const program = fileURLToPath(new URL('replica.js', import.meta.url))
const { gracePeriod, outOfRotation, calm } = settings
const titles = {
  graceful: 'Rolling update with fastify-graceful',
  plain: 'The same update with plain app.close() on SIGTERM'
}

/**
 * Runs the update to its end, and shows it.
 * @param {'graceful' | 'plain'} shutdown what a replica does on SIGTERM
 * @returns what was seen, as `drill` has it
 */
export async function rollingUpdate ({ shutdown, photos }) {
  const { observer } = showDrills(process.stdout, process.env, () => titles[shutdown])
  return await drill({
    service: {
      command: [process.execPath, program, shutdown],
      env: { ...process.env, PHOTOS: photos, TERMINATION_GRACE_PERIOD_SECONDS: String(gracePeriod / 1000) },
      readyPath: '/readyz',
      readPhase: ({ event, phase }) => event === 'demo.phase' ? phase : undefined
    },
    nameOf: (index, isSuccessor) => `${index + 1} v${isSuccessor ? 2 : 1}`,
    lag: [outOfRotation.least, outOfRotation.most],
    grace: gracePeriod,
    warmUp: calm.before,
    coolDown: calm.after,
    rate,
    profiles,
    stays,
    timeout: 10_000,
    observer
  })
}

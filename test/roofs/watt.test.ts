import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { install, nodeBinary, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

/** The command of Watt. */
function commandOf (folder: string): string {
  const manifest = readFileSync(join(folder, 'node_modules/wattpm/package.json'), 'utf8')
  const { bin } = JSON.parse(manifest) as { bin: Record<string, string> }
  return join('node_modules/wattpm', bin['wattpm']!)
}

/** Watt 2 runs on Node 20, Watt 3 from 22 on. The application makes the server, or @platformatic/service does. */
const runtimes = [
  { name: 'watt-2', major: 20, shared: 'watt' },
  { name: 'watt-3', major: 22, shared: 'watt' },
  { name: 'watt-service', major: 22, shared: undefined }
]

for (const { name, major, shared } of runtimes) {
  // Scenario (Foreign parties): Watt 2 and 3, with `@platformatic/node` and `@platformatic/service`
  t.test(`Platformatic's runtime closes the application, whose front end was told: ${name}, Node ${major}`,
    async (t) => {
      const node = await nodeBinary(major)
      const folder = await install(name, { node, shared })
      t.comment(`wattpm ${versionOf(folder, 'wattpm')} on Node ${major}`)
      const outcome = await update({ service: () => ({ folder, command: [node, commandOf(folder), 'start'] }) })
      lostNothing(t, outcome)
      t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
      const { frontEnds = [] } = outcome.report?.traffic ?? {}
      t.ok(frontEnds.some((frontEnd) => frontEnd.outcome === 'told'), 'the front end was told', { frontEnds })
    })
}

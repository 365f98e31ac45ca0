import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)
t.jobs = 2

const folder = await install('peers')

/** Packages that end a server on a signal, and what of theirs is heard, after the last request. */
const peers: Record<string, string[]> = {
  '@godaddy/terminus': ['onSignal with 0 in hand'],
  // It does nothing with a server that is closed already.
  '@gquittet/graceful-server': [],
  'http-graceful-shutdown': ['onShutdown with 0 in hand'],
  'http-shutdown': [],
  'http-terminator': [],
  killable: [],
  lightship: ['shutdownHandler with 0 in hand'],
  stoppable: []
}

for (const [name, hooks] of Object.entries(peers)) {
  // Scenario (Foreign parties): Another package that ends the server on a signal, beside the plugin
  t.test(`beside the plugin, on the same server: ${name} ${versionOf(folder, name)}`, async (t) => {
    const outcome = await update({
      service: () => ({ folder, command: ['node', 'server.js'], env: { PEER: name } })
    })
    lostNothing(t, outcome)
    t.same(hooksOf(outcome.old), hooks)
  })
}

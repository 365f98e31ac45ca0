import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

// Scenario (Foreign parties): `fastify start`
t.test('fastify start, as it comes: a request that takes longer than its half second is answered, and nothing is lost',
  async (t) => {
    const folder = await install('fastify-cli')
    t.comment(`fastify-cli ${versionOf(folder, 'fastify-cli')}`)
    // The port comes from PORT, which fastify-cli reads.
    const outcome = await update({
      service: () => ({
        folder,
        command: ['node', 'node_modules/fastify-cli/cli.js', 'start', '-l', 'info', '-a', '127.0.0.1', 'app.js']
      })
    })
    lostNothing(t, outcome)
    t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
  })

import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

for (const name of ['nest-11', 'nest-12']) {
  // Scenario (Foreign parties): Nest 11 and 12 with their shutdown hooks
  t.test(`Nest's shutdown hooks run once, after the last request, and nothing is lost: ${name}`, async (t) => {
    const folder = await install(name, { shared: 'nest' })
    t.comment(`@nestjs/core ${versionOf(folder, '@nestjs/core')}`)
    const outcome = await update({ service: () => ({ folder, command: ['node', 'server.js'] }) })
    lostNothing(t, outcome)
    t.same(hooksOf(outcome.old), [
      'onModuleDestroy with 0 in hand',
      'beforeApplicationShutdown SIGTERM with 0 in hand',
      'onApplicationShutdown SIGTERM with 0 in hand'
    ])
  })
}

import t from 'tap'
import { injectFaults } from './fault-injection.ts'

// Scenario, too: Each method of the plugin that runs while somebody is served throws…
t.test('whatever of the plugin throws, the service answers over HTTP/2 as bare Fastify does', async (t) => {
  await injectFaults(t, 'http2')
})

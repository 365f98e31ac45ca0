import t from 'tap'
import { injectFaults } from './fault-injection.ts'

// Scenario (Attacks, and failures of the plugin's own code): Each method of the plugin that runs while somebody is
// served throws, one after the other, while the service runs, leaves and closes, over HTTP/1, TLS and HTTP/2: it
// answers as bare Fastify does
t.test('whatever of the plugin throws, the service answers over HTTP/1 as bare Fastify does', async (t) => {
  await injectFaults(t, 'http')
})

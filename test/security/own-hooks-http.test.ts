import t from 'tap'
import { injectFaults } from './fault-injection.ts'

t.test('whatever of the plugin throws, the service answers over HTTP/1 as bare Fastify does', async (t) => {
  await injectFaults(t, 'http')
})

// One server of a pair: hello world, set up by a variant. Tells its own processor time when asked.
import Fastify from 'fastify'
import { pathToFileURL } from 'node:url'

const { default: setUp } = await import(pathToFileURL(process.argv[2]).href)
const app = Fastify()
await setUp(app)
app.get('/', async () => ({ hello: 'world' }))
await app.listen({ port: 0, host: '127.0.0.1' })

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ microseconds: user + system })
})
// Not by a signal: a profile is written only by a process that ends itself.
process.on('disconnect', () => process.exit())
process.send({ port: app.server.address().port })

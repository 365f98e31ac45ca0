import fastify from 'fastify'
import graceful from 'fastify-graceful'

const app = fastify()
app.register(graceful, { gracePeriod: 6000, announce: { min: 0 }, watchdog: { port: 0, host: '127.0.0.1' } })
app.get('/', async () => app.graceful.status().versions.package)
app.get('/slow', async () => {
  console.log('slow begins')
  await new Promise((resolve) => { setTimeout(resolve, 500) })
  return 'whole'
})
app.get('/hang', function spinForEver () {
  console.log('hanging')
  while (process.uptime() > 0);
})
app.addHook('onClose', async function closePool () { console.log('pool closed') })

app.listen({ port: 0, host: '127.0.0.1' }).then(function tell () {
  const { port } = app.graceful.status().watchdog
  // Its end has come first.
  if (app.server.address() === null) return
  if (port === undefined) setTimeout(tell, 10)
  else console.log(`listening ${app.server.address().port}, watchdog ${port}`)
})

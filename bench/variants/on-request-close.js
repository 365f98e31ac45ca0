export default async app => {
  const seen = { inFlight: 0 }
  const left = () => { seen.inFlight-- }
  app.addHook('onRequest', (request, reply, done) => {
    seen.inFlight++
    reply.raw.once('close', left)
    done()
  })
}

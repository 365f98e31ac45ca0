export default async app => {
  const seen = { requests: 0 }
  app.addHook('onRequest', (request, reply, done) => {
    seen.requests++
    done()
  })
}

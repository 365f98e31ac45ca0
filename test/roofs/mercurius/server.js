// GraphQL with subscriptions, as in docs/guides/recipes.md.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import mercurius from 'mercurius'
import { sayHook, shop, work } from './shop.js'

const app = Fastify({ logger: true })
// What mercurius does by itself is seen without the plugin.
if (process.env.PLAIN === undefined) app.register(graceful)
else process.once('SIGTERM', () => void app.close())
app.register(shop)
app.addHook('onClose', async () => sayHook('onClose'))
app.register(mercurius, {
  schema: `
    type Query { work(text: String!): String }
    type Subscription { ticked: Int }
  `,
  resolvers: {
    Query: {
      work: (_root, { text }) => work(app, text)
    },
    Subscription: { ticked: { subscribe: (_root, _input, { pubsub }) => pubsub.subscribe('TICKED') } }
  },
  subscription: { fullWsTransport: true }
})
app.addHook('onListen', async () => {
  let tick = 0
  setInterval(() => app.graphql.pubsub.publish({ topic: 'TICKED', payload: { ticked: tick++ } }), 500).unref()
})

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })

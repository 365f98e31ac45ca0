// A client of Prisma's that is disconnected when the application is closed.
import { PrismaPg } from '@prisma/adapter-pg'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { PrismaClient } from './generated/index.js'
import { count, sayHook } from './shop.js'

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 10 }) })

const app = Fastify({ logger: true })
app.register(graceful)
count(app.server)
app.addHook('onClose', async () => {
  sayHook('onClose')
  await prisma.$disconnect()
  sayHook('$disconnect')
})
app.get('/', async () => ({ ok: await prisma.order.count() >= 0 }))
app.get('/slow', async (request) => {
  await prisma.$queryRaw`select 1 as done from pg_sleep(${Number(request.query.ms) / 1000}::float)`
  return { ok: true }
})
app.post('/echo', async (request) => prisma.$transaction(async (transaction) => {
  const { content } = await transaction.order.create({ data: { content: request.body } })
  return content
}))
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })

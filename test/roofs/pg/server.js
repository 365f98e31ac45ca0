// A pool of PostgreSQL's that is closed when the application is.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import pg from 'pg'
import { count, sayHook } from './shop.js'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
pool.on('error', (error) => app.log.error(error))

const app = Fastify({ logger: true })
app.register(graceful)
count(app.server)
app.addHook('onClose', async () => {
  sayHook('onClose')
  await pool.end()
  sayHook('pool.end')
})
app.get('/', async () => (await pool.query('select true as ok')).rows[0])
app.get(
  '/slow',
  async (request) => (await pool.query("select pg_sleep($1::float / 1000), true as ok", [request.query.ms]))
    .rows.map(({ ok }) => ({ ok }))[0]
)
app.post('/echo', async (request) => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('insert into orders (content) values ($1)', [request.body])
    await client.query('commit')
    return request.body
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
})
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })

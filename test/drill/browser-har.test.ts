import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { readHar } from '../../lib/drill/har.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { launch } from '../page/chromium.ts'
import { credentials } from '../traffic/support.ts'

// Where Chromium has to be installed first.
t.setTimeout(400_000)

const page = `<!doctype html><title>shop</title><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><script>
async function use () {
  await fetch('/zipped')
  await fetch('/zipped')
  await fetch('/orders', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Grüße"}' })
  await fetch('/old')
  const abort = new AbortController()
  const aborted = fetch('/never', { signal: abort.signal }).catch(() => {})
  await fetch('/asked')
  abort.abort()
  await aborted
  await fetch('/broken').catch(() => {})
  const socket = new WebSocket('wss://' + location.host + '/live')
  await new Promise((resolve) => { socket.onmessage = resolve })
  socket.close()
  const events = new EventSource('/events')
  await new Promise((resolve) => { events.onmessage = resolve })
  events.close()
  return 'done'
}
</script><form method="post" action="/form"><input name="a" value="1 &amp; ü"><button>Send</button></form>`

/** A shop that needs what a browser sends. @param options Fastify's own */
async function shop (options: object): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, ...options }) as unknown as FastifyInstance
  const seen = new EventEmitter()
  const asked = once(seen, 'never')
  await app.register(websocket)
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async (_request: unknown, body: unknown) => body)
  app.get('/', async (_request, reply) => reply.header('set-cookie', 'cart=7; Path=/').type('text/html; charset=utf-8').send(page))
  app.get('/zipped', async (_request, reply) => reply.header('content-encoding', 'gzip').send(gzipSync('zipped')))
  app.post('/orders', async ({ body, headers }, reply) =>
    reply.code(headers.cookie === 'cart=7' ? 201 : 401).send(body))
  app.get('/old', async (_request, reply) => reply.redirect('/new'))
  app.get('/new', async () => 'new')
  app.get('/never', async () => {
    seen.emit('never')
    return new Promise(() => {})
  })
  app.get('/asked', async () => asked.then(() => 'yes'))
  app.get('/broken', async (_request, reply) => reply.code(503).send('broken'))
  app.post('/form', async ({ body }, reply) => reply.code(body === 'a=1+%26+%C3%BC' ? 303 : 400).redirect('/thanks', 303))
  app.get('/thanks', async (_request, reply) => reply.type('text/html').send('<title>thanks</title>'))
  app.get('/live', { websocket: true }, (socket) => { socket.send('hello') })
  app.get('/events', async (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
    reply.raw.write('data: hello\n\n')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

const portOf = (app: FastifyInstance): number => (app.server.address() as { port: number }).port

/** The status of a request as the load sends it. */
async function statusOf (port: number, { method, path, headers, body }: RequestProfile): Promise<number> {
  const sent = request({ port, host: '127.0.0.1', method, path: path as string, headers, agent: false }).end(body)
  const [{ statusCode }] = await once(sent, 'response') as [{ statusCode: number }]
  sent.destroy()
  return statusCode
}

// Scenario (The rehearsal of an update): What Chromium records over HTTP/2: bodies, cookies, redirects, aborted requests,
// WebSockets and event streams
t.test('a recording of a real browser over HTTP/2', async (t) => {
  const app = await shop({ http2: true, https: { ...credentials, allowHTTP1: true } })
  const plain = await shop({})
  const browser = await launch()
  t.teardown(async () => {
    await browser.close()
    await Promise.all([app.close(), plain.close()])
  })
  const file = join(t.testdir(), 'shop.har')
  const context = await browser.newContext({ ignoreHTTPSErrors: true, recordHar: { path: file, content: 'embed' } })
  const tab = await context.newPage()
  const origin = `https://127.0.0.1:${portOf(app)}`
  await tab.goto(origin)
  t.equal(await tab.evaluate('use()'), 'done')
  await Promise.all([tab.waitForURL('**/thanks'), tab.click('button')])
  await context.close()

  const text = readFileSync(file, 'utf8')
  const { log } = JSON.parse(text) as { log: { entries: Array<{ request: { httpVersion: string } }> } }
  t.ok(log.entries.some(({ request: { httpVersion } }) => httpVersion === 'HTTP/2.0'), 'it was HTTP/2')
  const { profiles, stays, notes } = readHar(text)
  const named = Object.fromEntries(profiles.map((profile) => [profile.name, profile]))
  t.strictSame(profiles.map(({ name, weight = 1 }) => `${weight} ${name}`).filter((name) => !name.endsWith('favicon.ico')), [
    '1 GET /', '2 GET /zipped', '1 POST /orders', '1 GET /old', '1 GET /new', '1 GET /asked', '1 POST /form',
    '1 GET /thanks'
  ])
  t.equal(String(named['POST /orders']?.body), '{"name":"Grüße"}')
  t.match(named['POST /orders']?.headers, { cookie: 'cart=7', 'content-type': 'application/json', origin })
  t.equal(String(named['POST /form']?.body), 'a=1+%26+%C3%BC')
  for (const { headers = {}, name } of profiles) {
    t.strictSame(Object.keys(headers).filter((key) => /^:|^(?:host|content-length|connection)$/.test(key)), [], name)
  }
  t.strictSame(stays.map(({ kind, path }) => `${kind} ${path}`).toSorted(), ['events /events', 'websocket /live'])
  t.strictSame(notes.toSorted(), ['1 left out, answered with 500 or more', '1 left out, without an answer'])

  const again = profiles.filter(({ name }) => name !== 'GET /asked')
  const statuses = await Promise.all(again.map(async (profile) => [profile.name, await statusOf(portOf(plain), profile)]))
  t.match(Object.fromEntries(statuses), {
    'GET /': 200, 'GET /zipped': 200, 'POST /orders': 201, 'GET /old': 302, 'POST /form': 303, 'GET /thanks': 200
  }, 'what was recorded is understood when it is sent again')
})

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

// Seven processes are started, one after the other; a busy machine takes its time over each.
t.setTimeout(120_000)

const examples = fileURLToPath(new URL('../../examples/', import.meta.url))

type Example = {
  child: ChildProcess
  origin: string
  lines: string[]
  exited: Promise<unknown[]>
  logged: (text: string) => Promise<void>
}

/** Starts an example on a free port, and waits until it says that it listens. */
async function start (t: Test, file: string): Promise<Example> {
  const photos = mkdtempSync(join(tmpdir(), 'fastify-graceful-examples-'))
  const child = spawn(process.execPath, [join(examples, file)], {
    env: { ...process.env, PORT: '0', PHOTOS: photos },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => {
    child.kill('SIGKILL')
    rmSync(photos, { recursive: true, force: true })
  })
  const exited = once(child, 'close') // not 'exit', after which lines can still come
  const lines: string[] = []
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  const logged = async (text: string): Promise<void> => {
    while (!lines.some((line) => line.includes(text))) {
      await Promise.race([
        once(output, 'line'),
        once(output, 'close').then(() => { throw new Error(`${file} never logged "${text}":\n${lines.join('\n')}`) })
      ])
    }
  }
  await logged('Server listening at ')
  const origin = /http:\/\/(127\.0\.0\.1|\[::1?\]):\d+/.exec(lines.join('\n'))?.[0] ?? ''
  return { child, origin, lines, exited, logged }
}

async function answer (url: string, init?: RequestInit): Promise<{ status: number, body: string }> {
  const response = await fetch(url, init)
  return { status: response.status, body: await response.text() }
}

t.test('every example is tried here', async (t) => {
  const found = readdirSync(examples).filter((name) => name.endsWith('js')).toSorted()
  t.same(found, ['commonjs.cjs', 'database-pool.js', 'minimal.js', 'opentelemetry.js', 'queue-consumer.js'])
})

for (const file of ['minimal.js', 'commonjs.cjs']) {
  t.test(`${file} answers, is ready, and ends in order`, async (t) => {
    const { child, origin, exited } = await start(t, file)
    t.same(await answer(origin), { status: 200, body: '{"hello":"world"}' })
    t.equal((await answer(`${origin}/readyz`)).status, 200)
    child.kill('SIGTERM')
    t.same(await exited, [0, null])
  })
}

t.test('database-pool.js finishes the query in flight, then closes the pool', async (t) => {
  const { child, origin, exited, logged, lines } = await start(t, 'database-pool.js')
  t.match((await answer(`${origin}/readyz?verbose`)).body, '[+]database ok')
  const report = answer(`${origin}/report`)
  await logged('/report')
  child.kill('SIGTERM')
  t.same(await report, { status: 200, body: '{"text":"select the whole year","rows":1}' })
  t.same(await exited, [0, null])
  const last = (text: string): number => lines.findLastIndex((line) => line.includes(text))
  t.ok(last('pool closed') > last('request completed'), 'the pool outlives the last request')
})

t.test('queue-consumer.js finishes the message in hand and fetches no other', async (t) => {
  const { child, exited, logged, lines } = await start(t, 'queue-consumer.js')
  await logged('"message":1')
  child.kill('SIGTERM')
  t.same(await exited, [0, null])
  t.notOk(lines.some((line) => line.includes('the consumer failed')), 'no message was cut')
})

t.test('opentelemetry.js exports its shutdown as a span', async (t) => {
  const { child, exited, lines } = await start(t, 'opentelemetry.js')
  child.kill('SIGTERM')
  t.same(await exited, [0, null])
  const text = lines.join('\n')
  t.match(text, "name: 'shutdown'")
  t.match(text, /attributes: \{ application: 'application 1', reason: 'SIGTERM' \}/)
  const events = [...text.matchAll(/^ {6}name: '(\w+)',$/gm)].map(([, name]) => name)
  t.same(events, ['announcing', 'closing', 'draining', 'terminated'])
})

t.test('the service answers on every route, and ends in order under all of them', async (t) => {
  const { child, origin, exited } = await start(t, 'service/server.js')
  t.match((await answer(`${origin}/readyz?verbose`)).body, '[+]photos ok')
  t.same(await answer(`${origin}/products/7`), { status: 200, body: '{"id":"7","stock":12}' })
  t.equal((await answer(`${origin}/photos/../etc`, {
    method: 'PUT',
    body: 'x',
    headers: { 'content-type': 'image/jpeg' }
  })).status, 404)
  t.equal((await answer(`${origin}/photos/..%2Fetc`, {
    method: 'PUT',
    body: 'x',
    headers: { 'content-type': 'image/jpeg' }
  })).status, 400)
  t.match((await answer(`${origin}/photos/mine`, {
    method: 'PUT',
    body: 'picture',
    headers: { 'content-type': 'image/jpeg' }
  })).body, '"bytes":7')

  const events = await fetch(`${origin}/orders/events`)
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/orders/socket`)
  await once(socket, 'open')
  socket.send('42')
  t.equal(String((await once(socket, 'message'))[0]), 'order 42 accepted')
  t.equal((await answer(`${origin}/orders`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json' }
  })).status, 202)
  const catalogue = await fetch(`${origin}/products.csv`) // the head; the rows take another half second
  const offer = fetch(`${origin}/products/7/offer?patience=600`)
  await fetch(`${origin}/livez`) // sent after the offer, so the offer has arrived as well

  const closed = once(socket, 'close')
  child.kill('SIGTERM')
  const [rows, price, stream, [code]] = await Promise.all([
    catalogue.text(),
    offer.then((response) => response.json()),
    events.text(),
    closed
  ])
  t.match(rows, '\n39999,', 'the download is whole')
  t.same(price, { id: '7', price: 9.95 }, 'the slow answer comes')
  t.match(stream, 'retry: 500', 'the event stream ends in order')
  t.equal(code, 1001, 'the WebSocket is told that the server goes away')
  t.same(await exited, [0, null])
})

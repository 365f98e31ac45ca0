import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import WebSocket from 'ws'
import type { Report } from '../../lib/index.ts'
import { cleanEnv } from '../support/clean-env.ts'
import { readLines } from '../support/lines.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** Milliseconds that an end may take: one phase lasts a second at most. */
const longestEnd = 1700

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

/** A service as somebody develops it: nothing set, and open streams that nobody ends. */
const source = (generation: number): string => `
import { Readable } from 'node:stream'
import { setInterval as every, setTimeout as sleep } from 'node:timers/promises'
import Fastify from ${url('../../node_modules/fastify/fastify.js')}
import websocket from ${url('../../node_modules/@fastify/websocket/index.js')}
import graceful from ${url('../../dist/index.js')}

const app = Fastify({ logger: true })
await app.register(graceful)
await app.register(websocket)
async function * beats (signal) {
  for await (const _ of every(50)) { if (signal?.aborted) return; yield 'data: beat\\n\\n' }
}
app.get('/', async () => 'ok')
app.get('/slow', async () => { await sleep(500); return 'slow' })
app.get('/events', (request, reply) => reply.type('text/event-stream').send(Readable.from(beats())))
app.get('/polite', (request, reply) => reply.type('text/event-stream').send(Readable.from(beats(request.drainSignal))))
app.get('/feed', { websocket: true }, (socket) => { setInterval(() => socket.send('beat'), 50) })
await app.listen({ port: 0, host: '127.0.0.1' })
console.log('generation ${generation} at ' + app.server.address().port)
`

interface Watched {
  /** That of `node --watch`, whose child is the service. */
  pid: number
  port: number
  reports: Report[]
  output: () => string
  restart: () => Promise<number>
}

/** Starts `node --watch`. */
async function watch (t: Test): Promise<Watched> {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-watch-'))
  const file = join(directory, 'server.mjs')
  let generation = 1
  await writeFile(file, source(generation))
  const child = spawn('env', [...cleanEnv, '-u', 'NODE_ENV', process.execPath, '--watch', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  let output = ''
  const reports: Report[] = []
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (text) => {
      output += text
      for (const line of text.split('\n')) {
        if (line.includes('"event":"graceful.report"')) reports.push((JSON.parse(line) as { report: Report }).report)
      }
    })
  }
  const gone = new Promise((resolve) => { child.once('close', resolve) })
  t.teardown(async () => {
    try { process.kill(-child.pid!, 'SIGKILL') } catch {}
    await gone
    await rm(directory, { recursive: true })
  })
  const started = async (): Promise<number> => {
    for (const end = Date.now() + 20_000; Date.now() < end; await sleep(10)) {
      const [, port] = new RegExp(`^generation ${generation} at (\\d+)`, 'm').exec(output) ?? []
      if (port !== undefined) return Number(port)
    }
    throw new Error(`generation ${generation} does not listen: ${output}`)
  }
  const port = await started()
  // A watcher that has just begun does not see what changes at once, and may take longer to begin.
  await sleep(300)
  return {
    pid: child.pid!,
    port,
    reports,
    output: () => output,
    async restart () {
      generation++
      const isSeen = (): boolean => (output.match(/Restarting /g)?.length ?? 0) >= generation - 1
      while (!isSeen()) {
        await writeFile(file, source(generation))
        for (const end = Date.now() + 3000; !isSeen() && Date.now() < end;) await sleep(10)
      }
      return started()
    }
  }
}

/** Asks, and settles when something has come; what follows is read on. */
async function open (
  port: number,
  path: string,
  headers: Record<string, string> = {}
): Promise<{ text: () => string, closed: Promise<unknown> }> {
  let text = ''
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, headers }, (response) => {
      const closed = new Promise((close) => { response.once('close', close) })
      response.setEncoding('utf8').on('error', () => {}).on('data', (chunk: string) => {
        text += chunk
        resolve({ text: () => text, closed })
      })
    })
    request.on('error', reject)
  })
}

const cases: Record<string, (port: number) => Promise<unknown>> = {
  'nobody is there': async () => {},
  'a kept connection': async (port) => (await fetch(`http://127.0.0.1:${port}/`)).text(),
  'an event stream that hears of the end': async (port) => open(port, '/polite'),
  'an event stream that nobody ends': async (port) => open(port, '/events'),
  'ten event streams that nobody ends': async (port) => Promise.all(
    Array.from({ length: 10 }, async () => open(port, '/events'))
  ),
  'an open page of the status': async (port) => {
    await open(port, '/-/status', { accept: 'text/html' })
    await open(port, '/-/status/events', { accept: 'text/event-stream' })
  },
  'a WebSocket that is never quiet': async (port) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/feed`)
    socket.on('error', () => {})
    await new Promise((resolve) => { socket.once('message', resolve) })
  }
}

for (const [name, around] of Object.entries(cases)) {
  // Scenario (Signals and exit): `node --watch` with open streams, an open page of the status, WebSockets and a request
  // in flight
  t.test(`node --watch starts the service anew within about a second: ${name}`, async (t) => {
    const { pid, port, reports, output, restart } = await watch(t)
    await around(port)
    const clock = new Stopwatch(pid)
    const next = await restart()
    const { late } = clock.stop()
    t.not(next, port)
    t.equal(reports.length, 1, output())
    const [{ duration, cut, advice, failures } = { duration: Infinity }] = reports
    inTime(t, { time: duration, late }, [0, longestEnd])
    t.match({ cut, advice, failures }, { cut: { requests: [], waiting: [], byOthers: [] }, advice: [], failures: [] })
    t.equal(await (await fetch(`http://127.0.0.1:${next}/`)).text(), 'ok')
  })
}

// Scenario, too: `node --watch` with open streams…
t.test('a request in flight is answered before node --watch starts the service anew', async (t) => {
  const { port, reports, restart } = await watch(t)
  const answer = open(port, '/slow')
  await sleep(100)
  await restart()
  t.equal((await answer).text(), 'slow')
  t.match(reports, [{ verdict: 'clean', exitCode: 0 }])
})

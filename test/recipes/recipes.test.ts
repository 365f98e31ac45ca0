import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { Report } from '../../lib/index.ts'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
/** Packages of the recipes, which have a folder of their own. */
if (!['socket.io', '@fastify/sse'].every((name) => existsSync(`${folder}/node_modules/${name}`))) {
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--legacy-peer-deps'], {
    cwd: folder,
    stdio: 'ignore'
  })
}
const load = async (name: string): Promise<any> => import(name)

/** Starts a recipe, or several that belong together. */
async function serve (t: Test, name: string | string[]): Promise<{ fork: Fork, address: string }> {
  const child = fork('../../recipes/serve.js', { given: name })
  t.teardown(() => child.kill('SIGKILL'))
  const [, port] = await child.waitForLine(/^listening (\d+)$/m)
  return { fork: child, address: `127.0.0.1:${port}` }
}

async function reportOf (child: Fork): Promise<Report> {
  const [code, , output] = await child.result
  const [, report] = /^report (.*)$/m.exec(output) ?? []
  if (report === undefined) throw new Error(`no report (exit ${code}): ${output}`)
  if (code !== 0) throw new Error(`exit ${code}: ${output}`)
  return JSON.parse(report) as Report
}

// Scenario (HTTP/2, upgrades, streams): Recipes with the real packages: @fastify/sse, @fastify/websocket, MCP,
// socket.io, tRPC, mercurius
t.test('@fastify/sse: a kept connection says good-bye, a source stops, both in order', async (t) => {
  const { fork: service, address } = await serve(t, 'sse')
  const paths = ['/events', '/feed']
  const texts = paths.map(() => '')
  const ends = Promise.all(paths.map(async (path, index) => {
    const response = await fetch(`http://${address}${path}`, { headers: { accept: 'text/event-stream' } })
    t.match(response.headers.get('content-type'), 'text/event-stream')
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) texts[index] += chunk
  }))
  while (texts.some((text) => text === '')) await sleep(10)
  const watch = new Stopwatch(service.child.pid)
  service.kill('SIGTERM')
  // A stream that is not ended in order rejects.
  await ends
  t.match(texts[0], /^data: "hello"\nretry: 500\n\n/)
  t.match(texts[0], /event: bye\ndata: "back in a second"\n\n$/)
  t.match(texts[1], /data: \d+\n\n$/)
  const report = await reportOf(service)
  t.match(report, { verdict: 'clean', cut: { requests: [], streams: 0 }, failures: [] })
  inTime(t, { time: report.duration, late: watch.stop().late }, [0, 3000])
})

// Scenario, too: Recipes with the real packages…
t.test('@fastify/websocket: clients are told 1001, or have the good-bye of a hook', async (t) => {
  const rows: Array<[recipes: string[], code: number, reason: string]> = [
    [['websocket'], 1001, 'service restart'],
    [['websocket', 'websocket good-bye'], 4000, 'back in a second']
  ]
  for (const [recipes, code, reason] of rows) {
    const { fork: service, address } = await serve(t, recipes)
    const socket = new WebSocket(`ws://${address}/socket`)
    const closed = once(socket, 'close') as Promise<[number, Buffer]>
    await once(socket, 'open')
    socket.send('a')
    t.equal(String((await once(socket, 'message') as [Buffer])[0]), 'got a')
    service.kill('SIGTERM')
    const [seen, said] = await closed
    t.strictSame([seen, said.toString()], [code, reason])
    t.match(await reportOf(service), { verdict: 'clean', cut: { upgraded: 0 } })
  }
})

// Scenario, too: Recipes with the real packages…
t.test('MCP over Streamable HTTP: the tool call is answered, the open GET stream is ended in order', async (t) => {
  const { fork: service, address } = await serve(t, 'mcp')
  const { Client } = await load(`${folder}/node_modules/@modelcontextprotocol/sdk/dist/esm/client/index.js`)
  const { StreamableHTTPClientTransport } = await load(
    `${folder}/node_modules/@modelcontextprotocol/sdk/dist/esm/client/streamableHttp.js`
  )
  const streams: Array<Promise<string>> = []
  const spy = async (url: string | URL, init?: RequestInit): Promise<Response> => {
    const response = await fetch(url, init)
    if (init?.method !== 'GET' || response.body === null) return response
    const [own, theirs] = response.body.tee()
    streams.push(new Response(own).text().then(() => 'in order', (error: Error) => `broken: ${error.message}`))
    return new Response(theirs, response)
  }
  const client = new Client({ name: 'test', version: '1.0.0' })
  const options = {
    fetch: spy,
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 10,
      maxReconnectionDelay: 10,
      reconnectionDelayGrowFactor: 1
    }
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://${address}/mcp`), options))
  while (streams.length === 0) await sleep(10)
  const answer = client.callTool({ name: 'work', arguments: {} })
  await sleep(300)
  service.kill('SIGTERM')
  t.match(await answer, { content: [{ type: 'text', text: 'done' }] })
  t.strictSame(await Promise.all(streams), ['in order'])
  await client.close().catch(() => {})
  t.match(await reportOf(service), { verdict: 'clean', cut: { requests: [], streams: 0 } })
})

for (const transport of ['websocket', 'polling']) {
  t.test(`socket.io over ${transport}: a clean end, and the client comes back`, async (t) => {
    const { fork: service, address } = await serve(t, 'socket.io')
    const { io } = await load(`${folder}/node_modules/socket.io-client/build/esm/index.js`)
    const socket = io(`http://${address}`, { transports: [transport], reconnectionDelay: 20_000 })
    t.teardown(() => socket.close())
    await once(socket as never, 'connect')
    const ended = once(socket as never, 'disconnect')
    const answer = transport === 'websocket' ? socket.timeout(5000).emitWithAck('work', 'a') : undefined
    await sleep(300)
    service.kill('SIGTERM')
    if (answer !== undefined) t.equal(await answer, 'done a')
    const [reason] = await ended
    t.equal(reason, 'transport close')
    t.ok(socket.active, 'it connects again by itself')
    t.match(await reportOf(service), { verdict: 'clean', cut: { requests: [], upgraded: 0 } })
  })
}

// Scenario, too: Recipes with the real packages…
t.test('tRPC: queries over WebSocket and HTTP are answered', async (t) => {
  const { fork: service, address } = await serve(t, 'trpc')
  const { createTRPCClient, createWSClient, httpLink, wsLink } = await load(
    `${folder}/node_modules/@trpc/client/dist/index.mjs`
  )
  const wsClient = createWSClient({ url: `ws://${address}`, WebSocket, retryDelayMs: () => 20_000 })
  const overWebSocket = createTRPCClient({ links: [wsLink({ client: wsClient })] })
  const overHttp = createTRPCClient({ links: [httpLink({ url: `http://${address}/trpc` })] })
  const answers = Promise.all([overWebSocket.slow.query(), overHttp.slow.query()])
  await sleep(400)
  service.kill('SIGTERM')
  t.strictSame(await answers, ['done', 'done'])
  const report = await reportOf(service)
  await wsClient.close()
  t.match(report, { verdict: 'clean', cut: { requests: [], upgraded: 0 } })
})

// Scenario, too: Recipes with the real packages…
t.test('mercurius: a query over WebSocket is answered, a subscription is told 1001', async (t) => {
  const { fork: service, address } = await serve(t, 'mercurius')
  const opened = ['query { slow }', 'subscription { ticked }'].map((query) => {
    const socket = new WebSocket(`ws://${address}/graphql`, 'graphql-transport-ws')
    const client = {
      messages: [] as Array<{ type: string, payload?: unknown }>,
      code: 0,
      closed: once(socket, 'close')
    }
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })))
      .on('close', (code) => { client.code = code }).on('error', () => {})
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(String(data)) as { type: string }
      client.messages.push(message)
      if (message.type === 'connection_ack') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
      }
    })
    return client
  })
  while (opened.some(({ messages }) => messages.length === 0)) await sleep(10)
  await sleep(300)
  service.kill('SIGTERM')
  await Promise.all(opened.map(async ({ closed }) => closed))
  t.strictSame(opened.map(({ code }) => code), [1001, 1001])
  t.match(opened[0]?.messages.slice(1, 2), [{ type: 'next', payload: { data: { slow: 'done' } } }])
  t.match(await reportOf(service), { verdict: 'clean', cut: { requests: [], upgraded: 0 } })
})

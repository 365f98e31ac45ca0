import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import proxy from '@fastify/http-proxy'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { bind, build, until } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** A service that answers late: messages after 400 ms, requests after 600 ms. */
async function openUpstream (t: Test): Promise<{ address: string, ends: number[] }> {
  const upstream = Fastify()
  const ends: number[] = []
  upstream.register(websocket)
  upstream.register(async (instance) => {
    instance.get('/ws', { websocket: true }, (socket) => {
      socket.on('message', (message: Buffer) => setTimeout(() => socket.send(`re ${message.toString()}`), 400))
      socket.on('close', (code) => ends.push(code))
    })
    instance.get('/slow', async () => {
      await sleep(600)
      return 'slow'
    })
  })
  t.teardown(() => upstream.close())
  return { address: `http://127.0.0.1:${await bind(upstream)}`, ends }
}

interface Gateway {
  app: FastifyInstance
  port: number
  /** What its hooks did. */
  log: string[]
}

/** A gateway that ends WebSockets itself. Half of phase 3's time is long: a good-bye may be late on a busy machine. */
async function openGateway (upstream: string, goodBye: (() => Promise<void>) | undefined): Promise<Gateway> {
  const app = build({ gracePeriod: 20_000, watchdog: false, announce: { quiet: 50 }, drain: { webSocket: false } })
  const log: string[] = []
  const sources = new Set<WebSocket>()
  app.register(proxy, {
    upstream,
    websocket: true,
    wsHooks: { onConnect: (_context: unknown, source: WebSocket) => { sources.add(source) } }
  } as never)
  app.addHook('preClose', async () => { log.push('preClose') })
  app.addHook('onClose', async () => { log.push('onClose') })
  app.after(() => {
    app.graceful.addHook('draining', async () => {
      log.push('draining')
      if (goodBye === undefined) return
      await goodBye()
      for (const source of sources) source.close(4000, 'own')
    })
  })
  return { app, port: await bind(app), log }
}

interface Client { socket: WebSocket, heard: string[], closed: Promise<unknown> }

async function openClient (port: number): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  const heard: string[] = []
  socket.on('message', (message: Buffer) => heard.push(message.toString())).on('error', () => {})
  socket.on('close', (code, reason) => heard.push(`${code} ${reason.toString()}`.trim()))
  const closed = once(socket, 'close')
  await once(socket, 'open')
  return { socket, heard, closed }
}

for (const goodBye of [true, false]) {
  const name = goodBye ? 'come after the good-bye of the application, which loses nothing' : 'end what nobody else does'
  // Scenario (HTTP/2, upgrades, streams): WebSockets of @fastify/http-proxy that the application ends itself
  t.test(`WebSockets left to the application: those of @fastify/http-proxy ${name}`, async (t) => {
    const { address, ends } = await openUpstream(t)
    let heardBusy: readonly string[] = []
    // Longer than what is under way, also where that is late.
    const wait = async (): Promise<void> => {
      await Promise.all([sleep(900), until(() => heardBusy.includes('re second'))])
    }
    const { app, port, log } = await openGateway(address, goodBye ? wait : undefined)
    const [busy, idle] = await Promise.all([openClient(port), openClient(port)])
    heardBusy = busy.heard
    busy.socket.send('first')
    await until(() => busy.heard.length > 0)
    busy.socket.send('second')
    const slow = fetch(`http://127.0.0.1:${port}/slow`)
    await sleep(50)
    const watch = new Stopwatch(process.pid)
    const report = await app.graceful.shutdown()
    t.equal(await (await slow).text(), 'slow')
    await Promise.all([busy.closed, idle.closed])
    t.same(idle.heard, [goodBye ? '4000 own' : '1005'])
    // Nobody waits for the second answer there; on a busy machine it may come first all the same.
    const heard = busy.heard.filter((text) => goodBye || text !== 're second')
    t.same(heard, goodBye ? ['re first', 're second', '4000 own'] : ['re first', '1005'])
    t.match(report, { verdict: 'clean', cut: { upgraded: 0, requests: [] }, failures: [] }, report.summary)
    t.same(log.toSorted(), ['draining', 'onClose', 'preClose'], 'each hook once')
    await until(() => ends.length === 2)
    inTime(t, { time: report.duration, late: watch.stop().late }, [0, 6000])
  })
}

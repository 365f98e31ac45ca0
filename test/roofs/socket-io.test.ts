import { once } from 'node:events'
import { Agent } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { sticky } from './support/listen.ts'
import { start } from './support/service.ts'
import { keepTalking } from './support/talk.ts'
import type { Talker } from './support/talk.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

/** As much of socket.io's client as is used. */
interface Client extends NodeJS.EventEmitter {
  /** Whether it connects again by itself. */
  active: boolean
  emitWithAck: (event: string, text: string) => Promise<string>
  timeout: (milliseconds: number) => { emitWithAck: (event: string, text: string) => Promise<string> }
  close: () => void
}

type MakeClient = (url: string, options: object) => Client

/** A client whose first attempt to connect again comes so late that it is another one that does. */
async function open (io: MakeClient, port: number, transport: string, options: object = {}): Promise<Talker> {
  const client = io(`http://127.0.0.1:${port}`, {
    transports: [transport],
    forceNew: true,
    reconnectionDelay: 60_000,
    ...options
  })
  const closed = new Promise<string | undefined>((resolve) => {
    client.once('disconnect', (reason: string) => {
      const isInOrder = reason === 'io client disconnect' || (reason === 'transport close' && client.active)
      resolve(isInOrder ? undefined : `${reason}${client.active ? '' : ', and it stays away'}`)
    })
  })
  await Promise.race([
    once(client, 'connect'),
    once(client, 'connect_error').then(([error]) => { throw error as Error })
  ])
  void closed.then(() => client.close())
  return {
    closed,
    leave: () => client.close(),
    ask: async (text) => client.timeout(10_000).emitWithAck('work', text)
  }
}

const makerIn = (folder: string): MakeClient =>
  (createRequire(join(folder, 'package.json'))('socket.io-client') as { io: MakeClient }).io

for (const transport of ['websocket', 'polling'] as const) {
  // Scenario (Foreign parties): socket.io, over WebSockets and by polling
  t.test(`socket.io over ${transport}: every message is acknowledged, and every client comes back`, async (t) => {
    const folder = await install('socket-io')
    t.comment(`socket.io ${versionOf(folder, 'socket.io')}`)
    const io = makerIn(folder)
    const openAt = (port: number): Promise<Talker> => open(io, port, transport)
    const outcome = await update({
      service: () => ({ folder, command: ['node', 'server.js'] }),
      isInHand: true,
      longLived: async (port, replicas) =>
        keepTalking(6, transport === 'websocket' ? async () => openAt(port) : sticky(openAt, replicas))
    })
    lostNothing(t, outcome)
    t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
    t.ok(
      outcome.old.lines.some(({ text }) => text === 'worked while announcing'),
      'messages were in hand when the signal came'
    )
    t.equal(outcome.report?.cut.upgraded, 0)
  })
}

// Scenario (Foreign parties): socket.io by polling in three processes with `--sticky`, through a reload
t.test('socket.io by polling in three children that keep their clients, through a reload', async (t) => {
  const folder = await install('socket-io')
  const io = makerIn(folder)
  const service = await start({
    folder,
    command: [
      'node', 'node_modules/fastify-graceful/dist/cli/index.js',
      'run', '--sticky', '--workers', '3', '--min-ready', '3', 'server.js'
    ]
  })
  t.teardown(() => service.kill('SIGKILL'))
  await service.waitFor(/"graceful\.supervisor\.readiness","ready":true/)
  const over = new AbortController()
  const lost: string[] = []
  let [answered, ends] = [0, 0]
  const talk = async (index: number): Promise<void> => {
    // As a browser, which keeps its connections.
    const from: object = { keepAlive: true, localAddress: `127.0.3.${index + 1}` }
    const client = io(`http://127.0.0.1:${service.port}`, {
      transports: ['polling'],
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      // What has not been acknowledged when a connection ends is sent once more.
      retries: 3,
      ackTimeout: 10_000,
      agent: new Agent(from)
    })
    client.on('disconnect', (reason: string) => {
      if (over.signal.aborted) return
      ends++
      if (!client.active) lost.push(`client ${index} stays away: ${reason}`)
    })
    for (let number = 0; !over.signal.aborted; number++) {
      const text = `question ${index} ${number}`
      const answer = await client.emitWithAck('work', text).catch(String)
      if (answer === text) answered++
      else lost.push(`${text}: ${answer}`)
      await sleep(100)
    }
    client.close()
  }
  const clients = Promise.all(Array.from({ length: 9 }, (_, index) => talk(index)))
  await sleep(4000)
  t.equal(ends, 0, 'until then every request of a client has found its child')
  service.kill('SIGHUP')
  await service.waitFor(/reload done: 3 replaced/)
  await sleep(3000)
  over.abort()
  await clients
  t.same(lost, [], `every message is acknowledged, all ${answered}`)
  t.ok(ends >= 9, `and every client has been sent away and come back (${ends} times)`)
  service.kill('SIGTERM')
  t.match(await service.exited, { code: 0, signal: null })
})

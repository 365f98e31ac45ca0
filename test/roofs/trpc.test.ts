import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { WebSocket } from 'ws'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { reads } from '../e2e/users.ts'
import { install, versionOf } from './support/install.ts'
import { deferred, keepListening, together } from './support/listen.ts'
import { keepTalking } from './support/talk.ts'
import type { Talker } from './support/talk.ts'
import { hooksOf, lostNothing, shopUsers, update } from './support/update.ts'

t.setTimeout(600_000)

/** As much of tRPC's client as is used. */
interface Caller {
  work: { query: (text: string) => Promise<string> }
  ticks: { subscribe: (input: undefined, on: { onData: () => void }) => void }
}

interface SocketOptions {
  url: string
  WebSocket: unknown
  retryDelayMs: () => number
  onOpen?: () => void
  onClose?: (cause?: { code?: number }) => void
}

interface Library {
  createTRPCClient: (options: { links: unknown[] }) => Caller
  createWSClient: (options: SocketOptions) => { close: () => Promise<void> }
  wsLink: (options: { client: object }) => unknown
}

const overHttp: RequestProfile = {
  name: 'tRPC',
  weight: 20,
  path: `/trpc/work?input=${encodeURIComponent('"ok"')}`,
  status: 200,
  isRight: reads((text) => text === '{"result":{"data":"ok"}}')
}

// Scenario (Foreign parties): tRPC, over HTTP and WebSockets
t.test('tRPC over HTTP and WebSockets: every query is answered, and subscriptions go on elsewhere', async (t) => {
  const folder = await install('trpc')
  t.comment(`@trpc/server ${versionOf(folder, '@trpc/server')}`)
  const { createTRPCClient, createWSClient, wsLink } = await import(
    String(pathToFileURL(join(folder, 'node_modules/@trpc/client/dist/index.mjs')))
  ) as Library

  const open = async (url: string): Promise<Talker> => {
    const opened = deferred<void>()
    const closed = deferred<string | undefined>()
    const socket = createWSClient({
      url,
      WebSocket,
      retryDelayMs: () => 60_000,
      onOpen: opened.resolve,
      onClose (cause) {
        opened.reject(new Error(`closed with ${cause?.code}`))
        closed.resolve(cause?.code === 1001 ? undefined : `code ${cause?.code}`)
      }
    })
    await opened.promise
    const { work } = createTRPCClient({ links: [wsLink({ client: socket })] })
    return {
      closed: closed.promise,
      ask: async (text) => work.query(text),
      leave: () => { void socket.close().then(() => closed.resolve(undefined)) }
    }
  }

  const outcome = await update({
    service: () => ({ folder, command: ['node', 'server.js'] }),
    isInHand: true,
    profiles: [...shopUsers, overHttp],
    async longLived (port) {
      const url = `ws://127.0.0.1:${port}/trpc`
      const listening = keepListening(6, ({ heard, closed }) => {
        const socket = createWSClient(
          { url, WebSocket, retryDelayMs: () => 200, onClose: (cause) => closed(cause?.code) }
        )
        createTRPCClient({ links: [wsLink({ client: socket })] }).ticks.subscribe(undefined, { onData: heard })
        return async () => socket.close()
      })
      return together(listening, await keepTalking(6, async () => open(url)))
    }
  })
  lostNothing(t, outcome)
  t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
  t.ok(
    outcome.old.lines.some(({ text }) => text === 'worked while announcing'),
    'queries were in hand when the signal came'
  )
  t.equal(outcome.report?.cut.upgraded, 0)
})

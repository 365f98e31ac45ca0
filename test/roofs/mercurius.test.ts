import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { pause, reads } from '../e2e/users.ts'
import { install, versionOf } from './support/install.ts'
import { deferred, keepListening, together } from './support/listen.ts'
import { start } from './support/service.ts'
import { keepTalking } from './support/talk.ts'
import type { Talker } from './support/talk.ts'
import { hooksOf, lostNothing, shopUsers, update } from './support/update.ts'

t.setTimeout(600_000)

interface Message { id?: string, type: string, payload?: { data?: { work?: string } } }

const overHttp: RequestProfile = {
  name: 'GraphQL',
  weight: 20,
  method: 'POST',
  path: '/graphql',
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify({ query: '{ work(text: "ok") }' })),
  bodyPause: pause,
  status: 200,
  isRight: reads((text) => text === '{"data":{"work":"ok"}}')
}

/** A connection after its greeting. */
function connect (port: number, onMessage: (message: Message, socket: WebSocket) => void): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => {}) // a close follows
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })))
  socket.on('message', (data: Buffer) => onMessage(JSON.parse(String(data)) as Message, socket))
  return socket
}

const subscribe = (id: string, query: string, variables: object = {}): string =>
  JSON.stringify({ id, type: 'subscribe', payload: { query, variables } })

async function open (port: number): Promise<Talker> {
  const pending = new Map<string, (answer: string) => void>()
  const greeted = deferred<void>()
  const socket = connect(port, ({ id = '', type, payload }) => {
    if (type === 'connection_ack') greeted.resolve()
    if (type === 'next') pending.get(id)?.(String(payload?.data?.work))
  })
  const closed = once(socket, 'close').then(([code]) => code === 1001 ? undefined : `code ${code}`)
  await Promise.race([greeted.promise, closed.then((how) => { throw new Error(how ?? 'closed') })])
  let id = 0
  const ask = async (text: string): Promise<string> => {
    const answer = deferred<string>()
    pending.set(String(++id), answer.resolve)
    void closed.then((how) => answer.reject(new Error(how ?? 'closed in order')))
    socket.send(subscribe(String(id), 'query ($text: String!) { work(text: $text) }', { text }))
    return answer.promise
  }
  return { closed, ask, leave: () => socket.terminate() }
}

/**
 * mercurius complains of each subscription that it sends something to after its WebSocket has begun to close: the
 * iterator of its queue is given up in the midst of a value.
 */
const ownComplaint = /"AbortError".*"msg":"subscription queue error \(suppressed\)"/

// Scenario (Foreign parties): GraphQL with subscriptions; what mercurius logs by itself
t.test('mercurius over HTTP and WebSockets: every query is answered, and subscriptions go on elsewhere', async (t) => {
  const folder = await install('mercurius')
  t.comment(`mercurius ${versionOf(folder, 'mercurius')}`)
  const outcome = await update({
    service: () => ({ folder, command: ['node', 'server.js'] }),
    profiles: [...shopUsers, overHttp],
    isInHand: true,
    async longLived (port) {
      const listening = keepListening(6, ({ heard, closed }) => {
        let isOver = false
        let socket: WebSocket
        const listen = (): void => {
          socket = connect(port, ({ type }, own) => {
            if (type === 'connection_ack') own.send(subscribe('1', 'subscription { ticked }'))
            if (type === 'next') heard()
          })
          socket.on('close', (code) => {
            closed(code)
            if (!isOver) setTimeout(listen, 200)
          })
        }
        listen()
        return () => {
          isOver = true
          socket.terminate()
        }
      })
      return together(listening, await keepTalking(6, async () => open(port)))
    }
  })
  lostNothing(t, outcome, { harmless: [ownComplaint] })
  t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
  t.ok(
    outcome.old.lines.some(({ text }) => text === 'worked while announcing'),
    'queries were in hand when the signal came'
  )
  t.equal(outcome.report?.cut.upgraded, 0)
})

// Scenario, too: GraphQL with subscriptions; what mercurius logs by itself
t.test('mercurius without the plugin complains of subscriptions that are closing, too', async (t) => {
  const folder = await install('mercurius')
  const service = await start({ folder, command: ['node', 'server.js'], env: { PLAIN: '1' }, ready: '/' })
  t.teardown(() => service.kill('SIGKILL'))
  const heard = deferred<void>()
  const socket = connect(service.port, ({ type }, own) => {
    if (type === 'connection_ack') own.send(subscribe('1', 'subscription { ticked }'))
    if (type === 'next') heard.resolve()
  })
  await heard.promise
  // It does not read the close frame before something else is sent.
  socket.pause()
  service.kill('SIGTERM')
  await service.waitFor(ownComplaint)
  socket.resume()
  const { code } = await service.exited
  t.equal(code, 0)
  t.equal(service.lines.filter(({ text }) => ownComplaint.test(text)).length, 1)
})

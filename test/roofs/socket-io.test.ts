import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { sticky } from './support/listen.ts'
import { keepTalking } from './support/talk.ts'
import type { Talker } from './support/talk.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

/** As much of socket.io's client as is used. */
interface Client extends NodeJS.EventEmitter {
  /** Whether it connects again by itself. */
  active: boolean
  timeout: (milliseconds: number) => { emitWithAck: (event: string, text: string) => Promise<string> }
  close: () => void
}

for (const transport of ['websocket', 'polling'] as const) {
  // Scenario (Foreign parties): socket.io, over WebSockets and by polling
  t.test(`socket.io over ${transport}: every message is acknowledged, and every client comes back`, async (t) => {
    const folder = await install('socket-io')
    t.comment(`socket.io ${versionOf(folder, 'socket.io')}`)
    const { io } = createRequire(join(folder, 'package.json'))('socket.io-client') as {
      io: (url: string, options: object) => Client
    }

    const open = async (port: number): Promise<Talker> => {
      // The first attempt comes so late that it is another client that connects again.
      const client = io(`http://127.0.0.1:${port}`, {
        transports: [transport],
        forceNew: true,
        reconnectionDelay: 60_000
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

    const outcome = await update({
      service: () => ({ folder, command: ['node', 'server.js'] }),
      isInHand: true,
      longLived: async (port, replicas) =>
        keepTalking(6, transport === 'websocket' ? async () => open(port) : sticky(open, replicas))
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

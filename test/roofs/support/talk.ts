import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { LongLived } from './update.ts'

/** A connection on which questions are asked. */
export interface Talker {
  /** Answers, or rejects where the connection ends before. */
  ask: (text: string) => Promise<string>
  /** How it ended: undefined in order, else in which way it did not. */
  closed: Promise<string | undefined>
  leave: () => void
}

/**
 * A question that was sent at most so many milliseconds before the connection ended was read after the good-bye: the
 * server waits as long after all that it reads (`drain.webSocket.quiet`). Nobody has promised an answer to it.
 */
const crossing = 250

/**
 * So many clients that stay: each asks about once a second, comes back where it is told to go, and counts as lost what
 * stays without an answer, what was refused, and every end that is not in order.
 */
export function keepTalking (count: number, open: () => Promise<Talker>): Promise<LongLived> {
  const lost: string[] = []
  const over = new AbortController()
  const talk = async (index: number): Promise<void> => {
    for (let number = 0; !over.signal.aborted; number++) {
      const talker = await open().catch((error: Error) => error)
      if (talker instanceof Error) {
        lost.push(`client ${index} was refused: ${talker.message}`)
        await sleep(200)
        continue
      }
      let endedAt = Number.POSITIVE_INFINITY
      const closed = talker.closed.then((how) => {
        endedAt = Date.now()
        if (how !== undefined && !over.signal.aborted) lost.push(`client ${index} was cut: ${how}`)
      })
      while (!over.signal.aborted && endedAt === Number.POSITIVE_INFINITY) {
        const text = `question ${index} ${number++}`
        const sentAt = Date.now()
        const answer = await talker.ask(text).catch((error: Error) => error)
        if (answer instanceof Error) {
          await closed
          if (endedAt - sentAt > crossing && !over.signal.aborted) {
            lost.push(`client ${index} got no answer in ${endedAt - sentAt} ms: ${answer.message}`)
          }
        } else if (answer !== text) {
          lost.push(`client ${index} got a wrong answer: ${answer}`)
        }
        await Promise.race([closed, sleep(500 + Math.random() * 1000)])
      }
      talker.leave()
      await closed
    }
  }
  const clients = Array.from({ length: count }, (_, index) => talk(index))
  return Promise.resolve({
    async stop () {
      over.abort()
      await Promise.all(clients)
      return lost
    }
  })
}

/** Codes of a close in order: going away, and a close without a code. */
const inOrder = new Set([1000, 1001, 1005])

/** A WebSocket whose server answers each message with one. */
export async function openSocket (
  url: string,
  protocol?: string,
  { encode = (text: string) => text, decode = (text: string): string | undefined => text }: {
    encode?: (text: string, id: number) => string,
    decode?: (text: string) => string | undefined
  } = {}
): Promise<Talker> {
  const socket = new WebSocket(url, protocol)
  const closed = new Promise<string | undefined>((resolve) => {
    socket.once('close', (code) => resolve(inOrder.has(code) ? undefined : `code ${code}`))
  })
  socket.on('error', () => {}) // a close follows
  await Promise.race([once(socket, 'open'), closed.then((how) => { throw new Error(how ?? 'closed') })])
  let id = 0
  return {
    closed,
    leave: () => socket.terminate(),
    ask: (text) => new Promise((resolve, reject) => {
      const read = (data: Buffer): void => {
        const answer = decode(String(data))
        if (answer === undefined) return
        socket.off('message', read)
        resolve(answer)
      }
      socket.on('message', read)
      void closed.then((how) => reject(new Error(how ?? 'closed in order')))
      socket.send(encode(text, ++id))
    })
  }
}

import type { Talker } from './talk.ts'
import type { LongLived } from './update.ts'

/** What a subscription tells of itself. */
export interface Ear {
  heard: () => void
  /** The connection has ended. The client connects again, and subscribes anew, by itself. */
  closed: (code: number | undefined) => void
}

/**
 * So many clients with a subscription each: lost is one that ends with another code than 1001, and one that is not
 * heard again after it.
 */
export function keepListening (count: number, open: (ear: Ear) => () => unknown): LongLived {
  const lost: string[] = []
  let isOver = false
  const clients = Array.from({ length: count }, (_, index) => {
    let heard = 0
    const leave = open({
      heard: () => { heard++ },
      closed (code) {
        if (isOver) return
        if (code !== 1001) lost.push(`subscription ${index} was cut: code ${code}`)
        if (heard === 0) lost.push(`subscription ${index} heard nothing before it was closed`)
        heard = 0
      }
    })
    return { leave, isSilent: () => heard === 0 }
  })
  return {
    async stop () {
      isOver = true
      for (const [index, { isSilent }] of clients.entries()) {
        if (isSilent()) lost.push(`subscription ${index} heard nothing any more`)
      }
      await Promise.all(clients.map(({ leave }) => leave()))
      return lost
    }
  }
}

/** Several kinds of clients that stay. */
export function together (...clients: LongLived[]): LongLived {
  return { stop: async () => (await Promise.all(clients.map((one) => one.stop()))).flat() }
}

/** What settles a promise from outside: Node 20 has no `Promise.withResolvers`. */
export function deferred<T> (): { promise: Promise<T>, resolve: (value: T) => void, reject: (error: Error) => void } {
  let settle: { resolve: (value: T) => void, reject: (error: Error) => void }
  const promise = new Promise<T>((resolve, reject) => { settle = { resolve, reject } })
  return { promise, ...settle! }
}

/** Whether a replica has been told to leave, which its balancer would know. */
async function isLeaving (port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/phase`, { headers: { connection: 'close' } })
    return await response.text() !== 'running'
  } catch {
    return true
  }
}

/**
 * Opens clients that make many requests, and that have to stay with one replica. Once their balancer knows that this
 * one leaves, what they ask goes to the other, in a new session, while the old one is still open.
 */
export function sticky (
  open: (port: number) => Promise<Talker>,
  { old, successor }: { old: number, successor: number }
): () => Promise<Talker> {
  let isKnown = false
  // A balancer makes no connection any more once it knows.
  const mustGo = async (): Promise<boolean> => isKnown ||= await isLeaving(old)
  return async () => {
    if (await mustGo()) return open(successor)
    const first = await open(old)
    let second: Promise<Talker> | undefined
    return {
      closed: first.closed,
      async ask (text) {
        if (await mustGo()) second ??= open(successor)
        return (await second ?? first).ask(text)
      },
      leave () {
        first.leave()
        void second?.then(({ leave }) => leave())
      }
    }
  }
}

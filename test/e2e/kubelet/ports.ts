import { once } from 'node:events'
import { createServer } from 'node:net'

const claimed = new Set<number>()

/**
 * A free port, below the range that outgoing connections take theirs from: a load client would take a port before the
 * pod listens on it.
 */
export async function claimPort (): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (claimed.has(port)) continue
    claimed.add(port)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ranges that Linux, macOS and Windows take the ports of outgoing connections from. */
const [lowest, count] = [20_000, 12_000]
const claimed = new Set<number>()

/**
 * A port that nobody listens on, and that is handed out once: what goes on calling a replica that has gone must not
 * meet another one. It is none that an outgoing connection could take before the replica listens.
 */
export async function claimPort (): Promise<number> {
  while (claimed.size < count) {
    const port = lowest + Math.floor(Math.random() * count)
    if (claimed.has(port)) continue
    claimed.add(port)
    // On all addresses, as the replica may listen on any.
    const server = createServer().listen(port)
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error(`no port is left between ${lowest} and ${lowest + count}`)
}

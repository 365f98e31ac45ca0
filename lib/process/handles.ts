import { ChildProcess } from 'node:child_process'
import { Server, Socket } from 'node:net'
import { activeHandles } from '../fastify/process-internals.ts'

/** More than this would fill the log. */
const most = 20

/**
 * Names what would have kept the process from ending by itself: sockets and servers by address,
 * children by file name, all else by its kind and number. No arguments, no environment, no content.
 */
export function openHandles (): string[] {
  const named = activeHandles().map(describe).filter((name) => name !== undefined)
  const kinds = process.getActiveResourcesInfo().filter((kind) => !describedKinds.has(kind))
  const names = [...named, ...kinds.map((kind) => kind.replace(/Wrap$/, ''))]
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  const lines = [...counts].map(([name, count]) => count === 1 ? name : `${count} x ${name}`)
  return lines.length > most ? [...lines.slice(0, most), `and ${lines.length - most} more`] : lines
}

/** Resources of these kinds are what `activeHandles` shows in more detail. */
const describedKinds = new Set([
  'TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'PipeServerWrap', 'TTYWrap', 'ProcessWrap'
])

function describe (handle: unknown): string | undefined {
  if (handle instanceof ChildProcess) {
    return `child process ${handle.pid ?? ''} (${(handle.spawnfile ?? '').split(/[\\/]/).pop()})`
  }
  if (handle instanceof Server) {
    const address = handle.address()
    if (typeof address === 'object' && address !== null) return `server on ${address.address}:${address.port}`
    return `server on ${address ?? 'no address'}`
  }
  if (handle instanceof Socket) {
    const { fd } = handle as { fd?: number }
    // Standard streams never keep a process that has nothing else to do.
    if (fd !== undefined && fd >= 0 && fd <= 2) return undefined
    if (handle.remoteAddress !== undefined) {
      return `socket ${handle.localAddress}:${handle.localPort} - ${handle.remoteAddress}:${handle.remotePort}`
    }
    return handle.connecting ? 'socket that is connecting' : 'pipe'
  }
  return undefined
}

import cluster from 'node:cluster'
import {
  closeSocketOf, deliver, nameOfListener, nodesMessage, onSharedHandle
} from '../../fastify/process-internals.ts'
import type { ConnectionHandle, ListenerHandle } from '../../fastify/process-internals.ts'
import { handOver, messageType } from '../protocol.ts'
import type { HandOver, Tell } from '../protocol.ts'

/** The listeners on which connections are taken. */
const listening = new Map<string, ListenerHandle>()

/** The supervisor accepts in place of this process, which takes what it is given. */
export function takeConnections (tell: (message: Tell) => void): void {
  const told = (): void => tell({ type: messageType, listens: [...listening.keys()] })
  onSharedHandle(cluster, (handle) => {
    const name = nameOfListener(handle)
    if (name !== undefined) standIn(handle, name, told)
  })
  process.on(nodesMessage as never, (message: Partial<HandOver> | null, connection: ConnectionHandle) => {
    if (message?.cmd !== handOver) return
    const handle = listening.get(message.listener ?? '')
    // Before anything is read: what nobody has taken is given to somebody else.
    tell({ type: messageType, taken: handle !== undefined })
    if (handle === undefined) connection.close()
    else deliver(handle, connection)
  })
}

/** Makes of the handle of a shared listener one that only stands for it: the port is the supervisor's alone. */
function standIn (handle: ListenerHandle, name: string, told: () => void): void {
  const address = {}
  const { close } = handle
  handle.getsockname?.(address)
  closeSocketOf(handle)
  handle.getsockname = (out) => {
    Object.assign(out, address)
    return 0
  }
  handle.listen = () => {
    listening.set(name, handle)
    told()
    return 0
  }
  handle.close = (callback) => {
    if (listening.delete(name)) told()
    close.call(handle, callback)
  }
}

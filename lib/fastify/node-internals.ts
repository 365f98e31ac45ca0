/**
 * What of Node's HTTP, net and HTTP/2 is private and used all the same, in one place: one accessor for each part. All
 * parts were seen on Node 20, 22, 24 and 26. Each doc names its part (`Part:`), which `npm run lint` refuses anywhere
 * else, and what is done without it: `checkNode` looks for it, or the doc says why nobody can at the start.
 *
 * What a request passes comes through here: nothing but what only the main module holds may import this file, or the
 * build would put it into a module of its own, which costs two percent of a small request.
 */
import { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import { Socket } from 'node:net'

interface PrivateSocket extends Socket {
  _httpMessage?: ServerResponse | null
  _parent?: Socket
  _handle?: { fd?: number, writeQueueSize?: number } | null
  _readableState?: { ended?: boolean }
  server?: { httpAllowHalfOpen?: boolean }
  parser?: { getCurrentBuffer?: () => Buffer | undefined } | null
}

/** Writes the head of a reply: `headers` is the final list. */
export type StoreHeader = (this: ServerResponse, firstLine: string, headers: unknown) => void

interface PrivateReply extends ServerResponse {
  _storeHeader?: StoreHeader
  _header?: string | null
  _headerSent?: boolean
  _last?: boolean
  _hasBody?: boolean
  outputData?: Array<{ data: unknown }>
}

/** Replies by their connection, in their order, where Node does not show them. */
const noted = new WeakMap<Socket, ServerResponse[]>()

/**
 * The reply that is being written on a connection, or whose handler runs: what Node's own sweep of idle connections
 * reads. Of several pipelined ones it is the first.
 *
 * Part: `_httpMessage`. Without it each reply is followed from the beginning, and noted.
 */
export let currentReply = (socket: Socket): ServerResponse | null | undefined => (socket as PrivateSocket)._httpMessage

/** Whether Node shows which reply is being written. */
export let showsReplies = true

/** Notes a reply that is followed, where Node does not show it. */
export function noteReply (socket: Socket, reply: ServerResponse): void {
  if (showsReplies) return
  const replies = noted.get(socket) ?? []
  noted.set(socket, replies)
  replies.push(reply)
  reply.once('close', () => {
    const index = replies.indexOf(reply)
    if (index >= 0) replies.splice(index, 1)
  })
}

/** Sockets that were upgraded, where Node does not show its parser. */
const upgraded = new WeakSet<Socket>()
let showsParser = true

/**
 * Whether Node's parser of HTTP/1 has let go of a socket: it was upgraded, or is closed.
 *
 * Part: `parser`. Without it upgraded sockets are noted.
 */
export let hasLeftHttp = (socket: Socket): boolean => {
  const { parser } = socket as PrivateSocket
  return parser === null || parser === undefined
}

/** Notes a socket that has left HTTP, where its parser does not show it. */
export function noteUpgrade (socket: Socket): void {
  if (!showsParser) upgraded.add(socket)
}

/**
 * The piece of what was read that Node's parser of HTTP/1 goes through now: what it takes for `rawPacket` itself.
 *
 * Part: `getCurrentBuffer`. Without it nothing is known of a request's successors before they come.
 */
export function pieceBeingParsed (socket: Socket): Buffer | undefined {
  return (socket as PrivateSocket).parser?.getCurrentBuffer?.()
}

/**
 * The connection under one of TLS, of those that were accepted.
 *
 * Part: `_parent`. Without it the one with the same peer is taken; on a unix socket, where nobody has one, none.
 */
export function carrierOf (socket: Socket, accepted: Iterable<Socket>): Socket | undefined {
  const { _parent: parent, remoteAddress, remotePort } = socket as PrivateSocket
  if (parent !== undefined || remotePort === undefined) return parent
  return [...accepted].find((one) => one.remotePort === remotePort && one.remoteAddress === remoteAddress)
}

/**
 * Whether the peer has ended its side; `readableEnded` waits for somebody to read that far.
 *
 * Part: `_readableState`. Without it `readableEnded` answers.
 */
export function hasPeerEnded (socket: Socket): boolean {
  return (socket as PrivateSocket)._readableState?.ended ?? socket.readableEnded
}

/**
 * Whether the server of a connection goes on answering when its client has ended its side.
 *
 * Part: `httpAllowHalfOpen`, of the server that the socket names. Without it no connection counts as half-open.
 */
export function isHalfOpen (socket: Socket): boolean {
  return (socket as PrivateSocket).server?.httpAllowHalfOpen === true
}

/**
 * What of a large write the kernel has not taken yet, in bytes.
 *
 * Part: `writeQueueSize`. Without it such a write looks taken. Not checked at start: only live connections have it.
 */
export function bytesInKernelQueue (socket: Socket): number {
  return (socket as PrivateSocket)._handle?.writeQueueSize ?? 0
}

/**
 * The file descriptor of a connection, and how many bytes wait for the kernel: none under TLS, and on Windows.
 *
 * Part: `writeQueueSize`. Without it, or a descriptor, nothing is written past Node. Not checked at start: as above.
 */
export function descriptorOf (socket: Socket): { fd: number, waiting: number } | undefined {
  const { fd = -1, writeQueueSize: waiting } = (socket as PrivateSocket)._handle ?? {}
  const isEncrypted = (socket as Socket & { encrypted?: boolean }).encrypted === true
  return isEncrypted || fd < 0 || waiting === undefined ? undefined : { fd, waiting }
}

/**
 * Whether a stack is that of a handle that was read: of the file that calls back for one.
 *
 * Part: `stream_base_commons`. Without it an error of reading counts as handed on by code. Not checked at start: only
 * what was read from a live connection is called back from there.
 */
export function isStackOfHandle (stack: string): boolean {
  return stack.includes('stream_base_commons')
}

/**
 * The connection under a session of HTTP/2. Node shows a stand-in that cannot be destroyed; what answers `this` gives
 * the socket away.
 *
 * Part: the stand-in's `setMaxListeners`. Without it the answer is the stand-in. Not checked at start: only a live
 * session has one.
 */
export function socketUnder (session: ServerHttp2Session): Socket {
  return session.socket.setMaxListeners(session.socket.getMaxListeners())
}

/**
 * The one way that every head takes, whoever wraps `writeHead`: it is given the final list of headers.
 *
 * Part: `_storeHeader`. Without it `writeHead` is wrapped.
 */
export function storeHeaderOf (reply: ServerResponse): StoreHeader | undefined {
  const { _storeHeader: store } = reply as PrivateReply
  return typeof store === 'function' ? store : undefined
}

/** Puts something else in place of {@link storeHeaderOf}, for this reply alone. */
export function replaceStoreHeader (reply: ServerResponse, store: StoreHeader): void {
  (reply as PrivateReply)._storeHeader = store
}

/**
 * The head of a reply as text, as soon as it is made.
 *
 * Part: `_header`. Without it no `Connection: close` is taken back, and what `writeHead` alone was given is not known.
 */
export function headOf (reply: ServerResponse): string | undefined {
  const { _header: head } = reply as PrivateReply
  return typeof head === 'string' ? head : undefined
}

/**
 * Whether a reply has no body whatever its head says, as one to HEAD.
 *
 * Part: `_hasBody`. Without it a head without a length keeps its `Connection: close`.
 */
export function hasNoBody (reply: ServerResponse): boolean {
  return (reply as PrivateReply)._hasBody === false
}

/**
 * Replaces the head of a reply, which has not reached the socket: what waits for the socket, of a pipelined reply
 * everything, begins with it. From now on the connection goes on after it.
 *
 * Parts: `_headerSent`, `outputData`, `_last`. Without them the head stays.
 *
 * @returns whether it did
 */
export function replaceHead (raw: ServerResponse, head: string, text: string): boolean {
  const reply: PrivateReply = raw
  if (typeof reply._headerSent !== 'boolean' || typeof reply._last !== 'boolean') return false
  if (reply._headerSent) {
    const waiting = reply.outputData?.find(({ data }) => typeof data === 'string' && data.startsWith(head))
    if (waiting === undefined) return false
    waiting.data = text + (waiting.data as string).slice(head.length)
  }
  reply._header = text
  reply._last = false
  reply.shouldKeepAlive = true
  return true
}

/** What {@link checkNode} looks for. */
export type NodePart = '_httpMessage' | '_storeHeader' | '_header' | '_headerSent' | '_last' | 'outputData' | '_hasBody'
  | 'parser' | 'getCurrentBuffer' | '_readableState' | '_handle' | '_parent' | 'httpAllowHalfOpen'

/**
 * Looks for the parts that every service uses, on a connection and a reply that nobody else sees, and switches to what
 * works without those that are missing.
 */
export function checkNode (): Array<[part: NodePart, isThere: boolean]> {
  const socket: PrivateSocket = new Socket()
  const reply: PrivateReply = new ServerResponse(new IncomingMessage(socket))
  const server = new Server()
  try {
    reply.assignSocket(socket)
    showsReplies = currentReply(socket) === reply
    if (!showsReplies) currentReply = (connection) => noted.get(connection)?.[0]
    reply.detachSocket(socket)
    server.emit('connection', socket)
    showsParser = !hasLeftHttp(socket)
    if (!showsParser) hasLeftHttp = (connection) => upgraded.has(connection)
    return [
      ['_httpMessage', showsReplies],
      ['_storeHeader', storeHeaderOf(reply) !== undefined],
      ['_header', reply._header !== undefined],
      ['_headerSent', typeof reply._headerSent === 'boolean'], ['_last', typeof reply._last === 'boolean'],
      ['outputData', Array.isArray(reply.outputData)], ['_hasBody', typeof reply._hasBody === 'boolean'],
      ['parser', showsParser],
      ['getCurrentBuffer', !showsParser || typeof socket.parser?.getCurrentBuffer === 'function'],
      ['_readableState', typeof socket._readableState?.ended === 'boolean'],
      ['_handle', socket._handle !== undefined], ['_parent', socket._parent !== undefined],
      ['httpAllowHalfOpen', typeof socket.server?.httpAllowHalfOpen === 'boolean']
    ]
  } finally {
    socket.destroy()
    server.close()
  }
}

import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** The opcodes of RFC 6455, section 5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Bytes that the payload of a control frame may have: RFC 6455, section 5.5. */
const mostOfControl = 125

/** What comes in a stream of frames. */
export interface FrameSink {
  /** A whole message, of one frame or several. Its content is passed over: nobody asks for it. */
  onMessage?: (bytes: number, isText: boolean) => void
  onControl: (opcode: number, payload: Buffer) => void
}

/** One frame of a client: masked, as section 5.1 has it, and in one piece. */
export function frameOf (opcode: number, payload: Buffer, mask: Buffer = randomBytes(4)): Buffer {
  const { length } = payload
  const head = length < 126
    ? Buffer.from([0x80 | opcode, 0x80 | length])
    : length < 65_536
      ? Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 255])
      : Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | 127]), bigLength(length)])
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index % 4]!)])
}

function bigLength (length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(length))
  return bytes
}

/** Reads the frames of a server, however they are cut into pieces. The content of messages is never held. */
export class FrameReader {
  readonly #sink: FrameSink
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of the content of a message that are still to come in its frame. */
  #toSkip = 0
  #message: { bytes: number, isText: boolean } | undefined
  #isLast = true

  constructor (sink: FrameSink) {
    this.#sink = sink
  }

  /** @throws Error where it breaks the protocol */
  read (piece: Buffer): void {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    while (this.#skip() && this.#frame());
  }

  /** Whether what follows is a frame. */
  #skip (): boolean {
    const skipped = Math.min(this.#toSkip, this.#rest.length)
    this.#toSkip -= skipped
    this.#rest = this.#rest.subarray(skipped)
    if (this.#toSkip > 0) return false
    if (this.#isLast && this.#message !== undefined) {
      const { bytes, isText } = this.#message
      this.#message = undefined
      this.#sink.onMessage?.(bytes, isText)
    }
    return true
  }

  /** Whether a whole head was there, and the whole of a control frame. */
  #frame (): boolean {
    const bytes = this.#rest
    if (bytes.length < 2) return false
    const [first, second] = [bytes[0]!, bytes[1]!]
    const opcode = first & 15
    if ((first & 0x70) !== 0) throw new Error('a reserved bit is set')
    if ((second & 0x80) !== 0) throw new Error('a frame of a server is masked')
    const size = second === 126 ? 4 : second === 127 ? 10 : 2
    if (bytes.length < size) return false
    const length = size === 2 ? second : size === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    const isLast = (first & 0x80) !== 0
    if (opcode >= opcodes.close) return this.#control(opcode, isLast, size, length)
    this.#rest = bytes.subarray(size)
    this.#begin(opcode, isLast, length)
    return true
  }

  #control (opcode: number, isLast: boolean, size: number, length: number): boolean {
    if (opcode > opcodes.pong) throw new Error(`opcode ${opcode} is reserved`)
    if (!isLast || length > mostOfControl) throw new Error('a control frame is fragmented or too long')
    if (this.#rest.length < size + length) return false
    const payload = this.#rest.subarray(size, size + length)
    this.#rest = this.#rest.subarray(size + length)
    this.#sink.onControl(opcode, payload)
    return true
  }

  #begin (opcode: number, isLast: boolean, length: number): void {
    if (opcode > opcodes.binary) throw new Error(`opcode ${opcode} is reserved`)
    if (!Number.isSafeInteger(length)) throw new Error('a frame is too long')
    const isBegun = this.#message !== undefined
    if ((opcode === opcodes.continuation) !== isBegun) throw new Error('a fragment is out of place')
    this.#message ??= { bytes: 0, isText: opcode === opcodes.text }
    this.#message.bytes += length
    this.#toSkip = length
    this.#isLast = isLast
  }
}

/** RFC 6455, section 1.3. */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** What a close without a code counts as, and the end of a connection without one: RFC 6455, section 7.1.5. */
const [noCode, noClose] = [1005, 1006]
/** A frame that breaks the protocol. */
const broken = 1002

/** The headers that ask for an upgrade. */
export function upgradeHeaders (key: string = randomBytes(16).toString('base64')): Record<string, string> {
  return { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key }
}

/** Why an answer is no upgrade to a WebSocket; undefined where it is one. */
export function objection ({ headers }: Pick<IncomingMessage, 'headers'>, key: string): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'no upgrade to websocket'
  const accept = createHash('sha1').update(key + guid).digest('base64')
  if (headers['sec-websocket-accept'] !== accept) return 'another sec-websocket-accept than the right one'
  return headers['sec-websocket-extensions'] === undefined ? undefined : 'an extension that nobody asked for'
}

/** Hears of a WebSocket. */
export interface WebSocketObserver {
  onMessage?: (bytes: number, isText: boolean) => void
  onPong?: () => void
  /** It is over, once. @param code 1005 where the close had none, 1006 where no close came */
  onClose: (code: number, reason: string) => void
}

/** A client's side of a WebSocket, as RFC 6455 has it; it offers no extension, so that none is spoken. */
export class WebSocketClient {
  readonly #socket: Duplex
  readonly #observer: WebSocketObserver
  readonly #reader: FrameReader
  #code = noClose
  #reason = ''
  #isClosing = false

  /** @param socket the upgraded connection @param head what has come behind the head of the answer */
  constructor (socket: Duplex, head: Buffer, observer: WebSocketObserver) {
    this.#socket = socket
    this.#observer = observer
    this.#reader = new FrameReader({
      onControl: (opcode, payload) => this.#control(opcode, payload),
      ...observer.onMessage === undefined ? {} : { onMessage: observer.onMessage }
    })
    socket.on('error', () => {})
    socket.once('end', () => socket.end())
    socket.once('close', () => observer.onClose(this.#code, this.#reason))
    socket.on('data', (piece: Buffer) => this.#read(piece))
    if (head.length > 0) this.#read(head)
  }

  send (text: string): void { this.#write(opcodes.text, Buffer.from(text)) }

  ping (): void { this.#write(opcodes.ping, Buffer.alloc(0)) }

  /** Begins to close. The server ends the connection: section 7.1.1. */
  close (code?: number): void {
    const payload = code === undefined ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 255])
    this.#write(opcodes.close, payload)
    this.#isClosing = true
  }

  /** Ends the connection at once. */
  destroy (): void { this.#socket.destroy() }

  #write (opcode: number, payload: Buffer): void {
    if (!this.#isClosing && this.#socket.writable) this.#socket.write(frameOf(opcode, payload))
  }

  #read (piece: Buffer): void {
    if (this.#code !== noClose) return
    try {
      this.#reader.read(piece)
    } catch (error) {
      this.#reason = String(error)
      this.#code = broken
      this.close(broken)
      this.#socket.end()
    }
  }

  #control (opcode: number, payload: Buffer): void {
    if (opcode === opcodes.ping) return this.#write(opcodes.pong, payload)
    if (opcode === opcodes.pong) return this.#observer.onPong?.()
    if (this.#code !== noClose) return
    this.#code = payload.length < 2 ? noCode : payload.readUInt16BE(0)
    this.#reason = payload.toString('utf8', 2)
    this.close(this.#code === noCode ? undefined : this.#code)
  }
}

import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { FrameReader, frameOf, opcodes } from './frames.ts'

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

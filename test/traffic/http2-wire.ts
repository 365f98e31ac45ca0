import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** What a server may send that matters here. */
export interface Frame { type: string, stream: number, end: boolean, ack: boolean, payload: Buffer }

const types: Record<number, string> = {
  0: 'DATA', 1: 'HEADERS', 3: 'RST_STREAM', 4: 'SETTINGS', 6: 'PING', 7: 'GOAWAY', 8: 'WINDOW_UPDATE'
}
const methods: Record<string, number> = { GET: 0x82, POST: 0x83 }

function frame (type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header by the index of its name in the static table, never put into the dynamic one. */
function literal (name: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([name, value.length]), Buffer.from(value)])
}

/** A strict client of HTTP/2 without TLS: what it sends and what it answers is the test's business. */
export class Http2Wire {
  readonly frames: Frame[] = []
  readonly socket: Socket
  closed = false
  error: Error | undefined
  /** Whether pings are answered as they come. */
  answersPings = true
  /** How far away the client is: what it sends comes so many milliseconds later, and so does what it is sent. */
  latency = 0
  #next = 1
  #rest = Buffer.alloc(0)
  readonly #pings: Buffer[] = []
  readonly #waiting = new Map<number, () => void>()

  constructor (socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#later(() => this.#read(chunk)))
    socket.on('error', (error) => { this.error = error })
    socket.on('close', () => this.#later(() => this.#close()))
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]))
  }

  static async open (port: number, localAddress = '127.0.0.1'): Promise<Http2Wire> {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    await once(socket, 'connect')
    return new Http2Wire(socket)
  }

  /** Sends requests in one piece; answers their streams. */
  send (...requests: string[]): number[] {
    const streams: number[] = []
    const frames = requests.map((request) => {
      const [method = '', path = '/'] = request.split(' ')
      const stream = this.#next
      this.#next += 2
      streams.push(stream)
      const first = methods[method] === undefined ? literal(2, method) : Buffer.from([methods[method]])
      return frame(1, 0x5, stream, Buffer.concat([first, Buffer.from([0x86]), literal(4, path), literal(1, 'test')]))
    })
    this.#write(Buffer.concat(frames))
    return streams
  }

  /** Waits for the last byte of an answer, or for the end of the connection. */
  async answered (stream: number): Promise<void> {
    if (this.closed || this.isAnswered(stream)) return
    await new Promise<void>((resolve) => { this.#waiting.set(stream, resolve) })
  }

  /** Takes so many bytes more, in all and of each answer from now on. */
  widen (bytes: number): void {
    const entry = Buffer.alloc(6)
    entry.writeUInt16BE(4)
    entry.writeUInt32BE(bytes, 2)
    const more = Buffer.alloc(4)
    more.writeUInt32BE(bytes)
    this.#write(Buffer.concat([frame(4, 0, 0, entry), frame(8, 0, 0, more)]))
  }

  /** Answers the pings that were held back. */
  answerPings (): void {
    this.answersPings = true
    for (const ping of this.#pings.splice(0)) this.#write(frame(6, 1, 0, ping))
  }

  /** Whether the pings of the server wait for an answer. */
  get isPinged (): boolean {
    return this.#pings.length > 0
  }

  /** Whether the head of an answer has come. */
  isBegun (stream: number): boolean {
    return this.frames.some((frame) => frame.stream === stream && frame.type === 'HEADERS')
  }

  /** Whether an answer has come to its last byte. */
  isAnswered (stream: number): boolean {
    return this.frames.some((frame) => frame.stream === stream && frame.end)
  }

  /** The last stream that each GOAWAY has named. */
  get goaways (): number[] {
    return this.frames.filter(({ type }) => type === 'GOAWAY').map(({ payload }) => payload.readUInt32BE(0))
  }

  #later (act: () => void): void {
    if (this.latency === 0) act()
    else setTimeout(act, this.latency)
  }

  #write (bytes: Buffer): void {
    this.#later(() => { if (!this.socket.destroyed) this.socket.write(bytes) })
  }

  #close (): void {
    this.closed = true
    for (const resolve of this.#waiting.values()) resolve()
  }

  #read (chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 9 && this.#rest.length >= 9 + this.#rest.readUIntBE(0, 3)) {
      const length = this.#rest.readUIntBE(0, 3)
      const type = types[this.#rest.readUInt8(3)] ?? 'other'
      const flags = this.#rest.readUInt8(4)
      const payload = this.#rest.subarray(9, 9 + length)
      const hasEnd = type === 'DATA' || type === 'HEADERS'
      const isFlagged = (flags & 1) === 1
      const stream = this.#rest.readUInt32BE(5)
      this.#take({ type, stream, end: hasEnd && isFlagged, ack: !hasEnd && isFlagged, payload })
      this.#rest = this.#rest.subarray(9 + length)
    }
  }

  #take (got: Frame): void {
    this.frames.push(got)
    if (got.end) this.#waiting.get(got.stream)?.()
    if (got.type === 'SETTINGS' && !got.ack) this.#write(frame(4, 1, 0))
    if (got.type !== 'PING' || got.ack) return
    this.#pings.push(got.payload)
    if (this.answersPings) this.answerPings()
  }
}

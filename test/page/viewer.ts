import { request } from 'node:http'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { connect } from 'node:http2'

/** An event of the stream. */
export interface ServerEvent { name: string, data: Record<string, unknown> }

/** Takes a stream of events apart; comments count as events without a name. */
export class EventReader {
  readonly events: ServerEvent[] = []
  comments = 0
  retry: number | undefined
  #rest = ''

  push (text: string): void {
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) this.#take(block)
  }

  /** The names of all events so far. */
  get names (): string[] { return this.events.map(({ name }) => name) }

  /** What all events together say: each is laid over those before. */
  get state (): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(Object.assign({}, ...this.events.map(({ data }) => data)) as object)
        .filter(([, value]) => value !== null)
    )
  }

  #take (block: string): void {
    const fields = new Map(block.split('\n').map((line) => /^([a-z]*): ?(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, field = '', value = '']) => [field, value]))
    if (fields.has('retry')) this.retry = Number(fields.get('retry'))
    if (block.startsWith(':')) this.comments++
    if (fields.has('data')) {
      this.events.push({
        name: fields.get('event') ?? '',
        data: JSON.parse(fields.get('data') ?? '') as ServerEvent['data']
      })
    }
  }
}

/** A viewer over the network. */
export class Viewer extends EventReader {
  status: number | undefined
  headers: IncomingHttpHeaders = {}
  body = ''
  ended = false
  /** The stream came to its end in order. */
  complete = false
  leave: () => void = () => {}

  /** Watches over HTTP/1.1. */
  static open (port: number, headers: Record<string, string> = {}, options: RequestOptions = {}): Viewer {
    const viewer = new Viewer()
    const sent = request({
      port, host: '127.0.0.1', path: '/-/status/events', headers, agent: false, ...options
    }, (response) => {
      viewer.status = response.statusCode
      viewer.headers = response.headers
      response.setEncoding('utf8').on('data', (text: string) => viewer.#read(text))
      response.on('end', () => { viewer.complete = true })
      response.on('close', () => { viewer.ended = true })
      response.on('error', () => {})
    })
    sent.on('error', () => { viewer.ended = true })
    sent.end()
    viewer.leave = () => { sent.destroy() }
    return viewer
  }

  /** Watches over HTTP/2 without TLS. */
  static openHttp2 (port: number, headers: Record<string, string> = {}): Viewer {
    const viewer = new Viewer()
    const session = connect(`http://127.0.0.1:${port}`)
    session.on('error', () => { viewer.ended = true })
    const stream = session.request({ ':path': '/-/status/events', ...headers })
    stream.on('response', (answer) => { viewer.status = answer[':status'] })
    stream.setEncoding('utf8').on('data', (text: string) => viewer.#read(text))
    stream.on('error', () => {})
    stream.on('end', () => { viewer.complete = true })
    stream.on('close', () => {
      viewer.ended = true
      session.close()
    })
    stream.end()
    viewer.leave = () => { session.destroy() }
    return viewer
  }

  #read (text: string): void {
    this.body += text
    this.push(text)
  }
}

import { request as plainRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import type { Socket } from 'node:net'
import type { Target } from '../target.ts'

/** What has come back. */
export interface Reply { status: number, location: string | undefined, body: string }

/** How it is asked. */
export interface Question {
  target: Target
  /** HTTP/2 at once, which a server without TLS does not offer by itself (h2c). */
  http2: boolean
  userAgent: string
}

/** Bytes of an answer that are read, as many as the kubelet reads; more is no failure. */
const mostRead = 10 * 1024
/** Redirects that are followed, as by the kubelet. */
const mostRedirects = 10

/**
 * Asks as the kubelet does: no certificate is verified, redirects to the same host are followed, one to another host
 * is an answer, and an answer counts when it is whole. Whoever asks has to know how long.
 */
export async function ask (question: Question): Promise<Reply> {
  let { target } = question
  for (let redirects = 0; ; redirects++) {
    // oxlint-disable-next-line no-await-in-loop -- each says where to go next
    const reply = await askOnce({ ...question, target })
    const next = reply.status >= 300 && reply.status < 400 ? follow(target, reply.location) : undefined
    if (next === undefined) return reply
    if (redirects === mostRedirects) throw new Error(`more than ${mostRedirects} redirects`)
    target = next
  }
}

/** Where a redirect leads on the same host; undefined for any other one. */
function follow (target: Target, location: string | undefined): Target | undefined {
  const from = `${target.secure ? 'https' : 'http'}://${target.authority}${target.path}`
  if (location === undefined || !URL.canParse(location, from)) return undefined
  const { protocol, hostname, port, host, pathname, search } = new URL(location, from)
  if (hostname !== new URL(from).hostname || !/^https?:$/.test(protocol)) return undefined
  const path = pathname + search
  if (target.socketPath !== undefined) return { ...target, path }
  const secure = protocol === 'https:'
  return { ...target, secure, port: port === '' ? secure ? 443 : 80 : Number(port), path, authority: host }
}

async function askOnce (question: Question): Promise<Reply> {
  const { target, http2 } = question
  if (target.secure) {
    const socket = await secureSocket(question)
    return socket.alpnProtocol === 'h2' ? overHttp2(question, socket) : overHttp1(question, socket)
  }
  if (http2) return overHttp2(question, await plainSocket(target))
  try {
    return await overHttp1(question)
  } catch (error) {
    if (!isHttp2(error)) throw error
  }
  return overHttp2(question, await plainSocket(target))
}

const placeOf = ({ socketPath, host, port }: Target): { path: string } | { host?: string, port?: number } =>
  socketPath === undefined ? { host, port } as { host: string, port: number } : { path: socketPath }

async function plainSocket (target: Target): Promise<Socket> {
  const { connect } = await import('node:net')
  return connect(placeOf(target) as { host: string, port: number })
}

async function secureSocket ({ target, http2 }: Question): Promise<Socket & { alpnProtocol: string | false | null }> {
  const [{ connect }, { isIP }] = await Promise.all([import('node:tls'), import('node:net')])
  return new Promise((resolve, reject) => {
    const { host = '' } = target
    const socket = connect({
      ...placeOf(target),
      ...isIP(host) === 0 && { servername: host },
      ALPNProtocols: http2 ? ['h2'] : ['http/1.1', 'h2'],
      rejectUnauthorized: false
    }, () => resolve(socket))
    socket.once('error', reject)
  })
}

function headersOf ({ userAgent }: Question): Record<string, string> {
  return { accept: 'text/plain', 'user-agent': userAgent }
}

function overHttp1 (question: Question, socket?: Socket): Promise<Reply> {
  const { target: { socketPath, host, port, path, authority } } = question
  const where: RequestOptions = socketPath === undefined ? { host, port } : { socketPath }
  const headers = { host: authority, ...headersOf(question), connection: 'close' }
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = plainRequest({
      // With an agent, the connection would be one of its own.
      ...where, path, headers, ...socket === undefined ? { agent: false } : { createConnection: () => socket }
    }, (response: IncomingMessage) => {
      const { statusCode = 0, headers: { location } } = response
      const body = new Body()
      const finish = (): void => resolve({ status: statusCode, location, body: body.text })
      response.on('data', (chunk: Buffer) => {
        if (!body.add(chunk)) return
        finish()
        response.destroy()
      })
      response.once('end', finish)
      response.once('error', () => reject(new Error(brokenOff)))
    })
    // What goes on in another protocol is no answer.
    asked.once('upgrade', () => reject(new Error('answers with another protocol')))
    asked.once('error', reject)
    asked.end()
  })
}

/** Whether the first bytes of an answer are a frame with settings, which is how a server begins HTTP/2. */
function isHttp2 (error: unknown): boolean {
  const { rawPacket } = error as { rawPacket?: unknown }
  return Buffer.isBuffer(rawPacket) && rawPacket.length >= 9 && rawPacket[3] === 4 && rawPacket.readUInt32BE(5) === 0
}

async function overHttp2 (question: Question, socket: Socket): Promise<Reply> {
  const { connect } = await import('node:http2')
  const { secure, authority, path } = question.target
  return new Promise((resolve, reject) => {
    const session = connect(`${secure ? 'https' : 'http'}://${authority}`, { createConnection: () => socket })
    session.once('error', reject)
    const stream = session.request({ ':path': path, ...headersOf(question) })
    let headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {}
    stream.once('response', (given) => { headers = given })
    stream.once('error', reject)
    const body = new Body()
    stream.on('data', (chunk: Buffer) => { if (body.add(chunk)) stream.destroy() })
    // Node lets a stream end that was broken off.
    stream.once('close', () => {
      const { ':status': status, location, 'content-length': length } = headers
      const isWhole = body.isFull || (!stream.aborted && (length === undefined || Number(length) === body.length))
      session.destroy()
      if (status !== undefined && isWhole) resolve({ status, location, body: body.text })
      else reject(new Error(status === undefined ? 'the connection was closed without an answer' : brokenOff))
    })
  })
}

const brokenOff = 'the answer broke off'

/** What is read of an answer. */
class Body {
  readonly #chunks: Buffer[] = []
  length = 0

  get isFull (): boolean { return this.length >= mostRead }
  get text (): string { return Buffer.concat(this.#chunks).subarray(0, mostRead).toString() }

  /** Answers whether it is enough. */
  add (chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.length += chunk.length
    return this.isFull
  }
}

import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { Report } from '../../lib/index.ts'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'

/** What a client of a WebSocket saw, and when, in milliseconds since the signal. */
export class Client {
  readonly socket: WebSocket
  readonly messages: string[] = []
  /** Close code and reason. */
  code: number | undefined
  reason = ''
  closedAt = Number.NaN
  bytes = 0
  readonly closed: Promise<void>
  started = performance.now()

  constructor (url: string, options: object = {}) {
    this.socket = new WebSocket(url, { rejectUnauthorized: false, ...options })
    this.socket.on('message', (data: Buffer) => {
      this.bytes += data.length
      if (data.length < 1000) this.messages.push(String(data))
    }).on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.code = code
        this.reason = String(reason)
        this.closedAt = performance.now() - this.started
        resolve()
      })
    })
  }
}

/** A running `fixtures/sockets.js`. */
export interface Service { fork: Fork, port: number, url: string }

/** Starts `fixtures/sockets.js`. */
export async function serve (t: Test, given: { tls?: boolean, [key: string]: unknown } = {}): Promise<Service> {
  const child = fork('../../principles/fixtures/sockets.js', { given })
  t.teardown(() => child.kill('SIGKILL'))
  const [, port] = await child.waitForLine(/^listening (\d+)$/m)
  return { fork: child, port: Number(port), url: `${given.tls === true ? 'wss' : 'ws'}://127.0.0.1:${port}` }
}

/** The end of a service: its exit code, and its report. */
export async function ended ({ fork }: Service): Promise<{ code: number | null, report: Report }> {
  const [code, , output] = await fork.result
  const [, report] = /^report (.*)$/m.exec(output) ?? []
  if (report === undefined) throw new Error(`no report (exit ${code}): ${output}`)
  return { code, report: JSON.parse(report) as Report }
}

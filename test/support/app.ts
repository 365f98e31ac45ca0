import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import graceful from '../../lib/index.ts'
import type { GracefulOptions } from '../../lib/index.ts'

/** Fastify's minor version: some of what is tried is Fastify's own, and came with one. */
export const fastifyMinor = Number(Fastify().version.split('.')[1])

/** An application with the plugin, which leaves the process alone. */
export function build (options: GracefulOptions = {}, server: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(server)
  app.register(graceful, { exit: false, ...options })
  return app
}

/** Binds an application to a free port of the loopback, and answers the port. */
export async function bind (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** Waits until something holds, at most thirty seconds: so long that only a fault is that late. */
export async function until (holds: () => boolean): Promise<void> {
  const end = Date.now() + 30_000
  while (!holds()) {
    if (Date.now() > end) throw new Error('still not so after 30 s')
    await sleep(2)
  }
}

/** A connection of the test's own, so that it is known when it is used and how it ends. */
export class Client {
  text = ''
  error: NodeJS.ErrnoException | undefined
  readonly socket: Socket
  readonly closed: Promise<void>

  constructor (port: number) {
    this.socket = connect({ port, host: '127.0.0.1' })
    this.socket.setEncoding('utf8').on('data', (text: string) => { this.text += text })
    this.socket.on('error', (error) => { this.error = error })
    this.closed = new Promise((resolve) => { this.socket.once('close', () => resolve()) })
  }

  static async open (port: number): Promise<Client> {
    const client = new Client(port)
    await once(client.socket, 'connect')
    return client
  }

  get (path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
  }

  /** The status codes of all answers so far. */
  get codes (): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, code]) => Number(code))
  }

  /** Waits for this many answers. */
  async answers (count: number): Promise<number[]> {
    await until(() => this.codes.length >= count || this.socket.destroyed)
    return this.codes
  }
}

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { join, reset } from './balancer.ts'

/** Where something listens that the service depends on, and how its address is written with another host and port. */
export interface DependencyAddress {
  host: string
  port: number
  /** The same text with another host and port. */
  withPort: (host: string, port: number) => string
}

/** Ports of what is mostly given as a URL without one. */
const usualPorts: Readonly<Record<string, number>> = {
  'amqp:': 5672, 'http:': 80, 'https:': 443, 'mongodb:': 27_017, 'mysql:': 3306, 'nats:': 4222, 'postgres:': 5432,
  'postgresql:': 5432, 'redis:': 6379, 'rediss:': 6379
}

/** `[scheme://][user@]host[:port][/rest]` */
const form =
  /^(?:([a-z][a-z0-9+.-]*:)\/\/)?([^\s/?#,]*@)?(\[[\da-f:.]+\]|[^\s/?#,:@[\]]+)(?::(\d{1,5}))?([/?#]\S*)?$/i

/** Reads a URL, or a host and a port; undefined where it is neither. */
export function readAddress (text: string): DependencyAddress | undefined {
  const [, scheme, before = '', host = '', typed, after = ''] = form.exec(text) ?? []
  const port = typed === undefined ? usualPorts[scheme?.toLowerCase() ?? ''] : Number(typed)
  if (host === '' || port === undefined || port < 1 || port > 65_535) return undefined
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port,
    withPort: (other, at) => `${scheme === undefined ? '' : `${scheme}//`}${before}${other}:${at}${after}`
  }
}

/** Stands between the service and what it depends on, and can be down. */
export class DependencyProxy {
  readonly host = '127.0.0.1'
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isDown = false

  constructor ({ host, port }: Pick<DependencyAddress, 'host' | 'port'>) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      if (this.#isDown) {
        reset(client.once('error', () => {}))
        return
      }
      const dependency = connect({ host, port, allowHalfOpen: true, noDelay: true })
      for (const socket of [client, dependency]) {
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
      }
      join(client, dependency)
      join(dependency, client)
    })
  }

  get port (): number { return (this.#server.address() as AddressInfo).port }

  async listen (): Promise<void> {
    this.#server.listen(0, this.host)
    await once(this.#server, 'listening')
  }

  /** Resets all connections, and each new one, until it is up again. */
  turn (isDown: boolean): void {
    this.#isDown = isDown
    if (isDown) for (const socket of this.#sockets) reset(socket)
  }

  close (): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

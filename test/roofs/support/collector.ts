import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { json } from 'node:stream/consumers'

interface Attribute { key: string, value: { stringValue?: string } }
interface Traces {
  resourceSpans: Array<{
    resource: { attributes: Attribute[] },
    scopeSpans: Array<{ spans: Array<{ name: string, kind: number }> }>
  }>
}

/** What an OTLP/HTTP collector has received. */
export interface Collector {
  url: string
  /** How many spans of requests that a service has answered have arrived, by the service's name. */
  serverSpans: (service: string) => number
  close (): void
}

/** A collector of spans that takes OTLP as JSON over HTTP. */
export async function startCollector (): Promise<Collector> {
  const spans = new Map<string, number>()
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      for (const { resource, scopeSpans } of (body as Partial<Traces>).resourceSpans ?? []) {
        const name = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
        // 2 is SPAN_KIND_SERVER.
        const count = scopeSpans.flatMap((scope) => scope.spans).filter(({ kind }) => kind === 2).length
        spans.set(name, (spans.get(name) ?? 0) + count)
      }
      response.setHeader('content-type', 'application/json').end('{}')
    }, () => response.writeHead(400).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serverSpans: (service) => spans.get(service) ?? 0,
    close () {
      server.close()
      server.closeAllConnections()
    }
  }
}

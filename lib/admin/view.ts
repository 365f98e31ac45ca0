import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import { hidden, problem, send } from '../fastify/quiet-route.ts'
import { longestTimer } from '../util/given.ts'
import { streamBounds } from '../page/viewers.ts'
import { isGone, isInTurn, streamHeaders } from '../page/outlet.ts'
import { isHttp2Request } from '../traffic/protocol.ts'
import { wantsPage } from '../page/document.ts'
import type { Access, Envelope, Viewers } from '../page/viewers.ts'
import { mayLast } from '../server/bounded.ts'
import type { Guard } from './guard.ts'
import { publicStatus } from '../status/model.ts'
import type { PublicStatus } from '../status/model.ts'

/** What the routes that only show are given. */
export interface ViewPorts {
  /** What anyone may know. */
  publicStatus: () => PublicStatus
  /** The whole. */
  status: () => object | Promise<object>
  /** The metrics as Prometheus reads them, where they are no route of the application's own. */
  metrics?: () => Promise<string>
  /** The viewers of the stream. */
  viewers: Viewers
  /** Makes a reply one that nobody waits for, and that is no traffic. */
  exempt: (request: FastifyRequest, reply: FastifyReply) => void
}

/** Who may look at more than the state. */
export interface ViewGuard {
  guard: Guard | undefined
  /** Whether a token can show the whole. */
  token: boolean
  /** Whether the page and the stream exist. A stream is a lasting connection, in production not for everybody. */
  page: boolean
}

/** The page is loaded with its first reader: a service that nobody looks at pays nothing for it. */
async function sendPage (reply: FastifyReply, state: Envelope): Promise<FastifyReply> {
  const { makePage } = await import('../page/page.ts')
  const { headers, body } = makePage(state)
  const length = body.reduce((sum, piece) => sum + piece.length, 0)
  reply.headers({ ...headers, 'content-length': length }).type('text/html; charset=utf-8')
  return reply.send(readerOf(body))
}

/** A stream of pieces that are not copied: however many wait for their turn, they wait for the same ones. */
function readerOf (pieces: readonly Buffer[]): Readable {
  const reader = new Readable({ read () {} })
  for (const piece of pieces) reader.push(piece)
  reader.push(null)
  return reader
}

/** Registers the routes that only show the state: the status as JSON and as a page, and the stream of its changes. */
export function registerView (
  root: FastifyInstance,
  prefix: string,
  { guard, token, page }: ViewGuard,
  ports: ViewPorts,
  routeConfig: object
): void {
  const accessOf = async (request: FastifyRequest): Promise<Access> => {
    if (guard !== undefined && await guard(request, false) === 'granted') return 'whole'
    return token ? 'token' : 'public'
  }
  const route = (path: string, options: Pick<RouteOptions, 'method' | 'handler'> & Partial<RouteOptions>): void => {
    root.route({
      url: `${prefix}${path}`,
      config: { ...routeConfig },
      schema: hidden(),
      exposeHeadRoute: false,
      ...options
    })
  }
  route('/status', {
    method: ['GET', 'HEAD'] satisfies HTTPMethods[],
    handler: async (request, reply) => {
      const access = await accessOf(request)
      if (page && wantsPage(request.headers.accept)) return sendPage(reply, await ports.viewers.show(access))
      return send(reply.header('vary', 'accept'), 200, {
        ...access === 'whole' ? await ports.status() : publicStatus(ports.publicStatus()),
        access
      })
    }
  })
  const { metrics } = ports
  if (page && metrics !== undefined) route('/metrics', {
    method: ['GET', 'HEAD'] satisfies HTTPMethods[],
    handler: async (request, reply) => {
      if (guard !== undefined && await guard(request, false) !== 'granted') {
        const refusal = problem(401, 'Unauthorized', 'credentials are needed')
        return send(reply.header('www-authenticate', 'Bearer'), 401, refusal)
      }
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics())
    }
  })
  if (page) route('/status/events', {
    method: 'GET',
    // A stream lasts as long as its viewer likes, whatever time the application's other handlers may take.
    handlerTimeout: longestTimer,
    handler: async (request, reply) => {
      const access = await accessOf(request)
      // A client that has left during the check of its access gets no stream, and no answer.
      if (isGone(reply.raw)) return reply.hijack()
      const refuse = (why: string): FastifyReply => {
        return send(reply.header('retry-after', streamBounds.retryAfter), 503, problem(503, 'Service Unavailable', why))
      }
      if (!isInTurn(reply.raw)) return refuse('a stream needs a connection on which nothing else is asked for')
      if (!ports.viewers.hasRoom(access)) {
        return refuse(
          `${streamBounds.viewers} viewers are watching, which is the most: try again later, or ask /status`
        )
      }
      ports.exempt(request, reply)
      reply.hijack()
      request.raw.setTimeout?.(0)
      mayLast(request.raw)
      reply.raw.writeHead(200, streamHeaders(isHttp2Request(request.raw)))
      await ports.viewers.add(reply.raw, access)
      return reply
    }
  })
}

import type { FastifyRequest } from 'fastify'
import { afterUnref } from '../util/after.ts'
import { typeName } from '../errors.ts'
import { isCrossSite, isForSomebodyElse } from './origin.ts'
import { digest, showsToken } from './token.ts'

/** Who may use the admin routes. Without any of the three, nobody may. */
export interface GuardOptions {
  /** What `Authorization: Bearer` must carry, at least 16 characters; several while one is being replaced. */
  token?: string | readonly string[]
  /**
   * Decides over requests that carry no accepted token. Only `true` lets in; a throw and any other answer does not.
   * It is not asked where a browser would change something for a page of another site.
   */
  authorize?: (request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether everything that comes through a unix socket is let in: its file mode is the guard. Not where a proxy leads
   * to the application that way. Whoever asks is let in under a loopback name (`Host`) only, and not for a page of
   * another origin: a browser may come through a tunnel. With `mode`, the socket that the application listens on gets
   * it in place of 0600. Default: `false`.
   */
  unixSocket?: boolean | { mode?: string | number }
}

/** What a guard says: let in, nothing was shown, or what was shown is wrong. */
export type Admission = 'granted' | 'no credentials' | 'wrong credentials'

/** Decides over one request, which acts or only looks. Never rejects, and settles in a bounded time. */
export type Guard = (request: FastifyRequest, acts: boolean) => Promise<Admission>

/** How long `authorize` may take, in milliseconds, and from the start of draining on, which does not wait for it. */
export const authorizeTime = { usual: 5000, draining: 500 } as const

/** What a guard needs. */
export interface GuardPorts {
  /** Something is wrong with `authorize`: told with what it was, and with the request. */
  failed: (request: FastifyRequest, message: string, error?: unknown) => void
  /** Aborts when draining starts. */
  draining: AbortSignal
}

/** The guard that the options describe; undefined where they describe none. */
export function createGuard (options: GuardOptions, ports: GuardPorts): Guard | undefined {
  const tokens = [options.token ?? []].flat().filter((token) => token !== '').map((token) => digest(token))
  const { authorize, unixSocket = false } = options
  if (tokens.length === 0 && authorize === undefined && !unixSocket) return undefined
  return async (request, acts) => {
    if (unixSocket && cameThroughUnixSocket(request) && !isForSomebodyElse(request.raw)) return 'granted'
    if (showsToken(request.headers.authorization, tokens)) return 'granted'
    const mayAsk = authorize !== undefined && !(acts && isCrossSite(request.raw))
    if (mayAsk && await asks(authorize, request, ports)) return 'granted'
    return request.headers.authorization === undefined ? 'no credentials' : 'wrong credentials'
  }
}

type Authorize = NonNullable<GuardOptions['authorize']>

async function asks (authorize: Authorize, request: FastifyRequest, ports: GuardPorts): Promise<boolean> {
  const { failed, draining } = ports
  try {
    const answer: unknown = await inTime(async () => authorize(request), draining)
    if (answer === late) failed(request, "option 'admin.authorize' did not answer in time, access denied")
    else if (typeof answer === 'boolean') return answer
    else failed(request, `option 'admin.authorize' must answer true or false, got ${typeName(answer)}, access denied`)
  } catch (error) {
    failed(request, "option 'admin.authorize' failed, access denied", error)
  }
  return false
}

/** What stands for an answer that has not come. */
const late = Symbol('late')

/** A question that never settles must not keep its request, for which the end of the service would wait. */
async function inTime (ask: () => Promise<unknown>, draining: AbortSignal): Promise<unknown> {
  let cancel: (() => void) | undefined
  let hasten: (() => void) | undefined
  try {
    return await Promise.race([ask(), new Promise((resolve) => {
      const limit = (time: number): void => { cancel = afterUnref(time, () => resolve(late)) }
      hasten = () => {
        cancel?.()
        limit(authorizeTime.draining)
      }
      if (draining.aborted) return limit(authorizeTime.draining)
      limit(authorizeTime.usual)
      draining.addEventListener('abort', hasten)
    })])
  } finally {
    cancel?.()
    if (hasten !== undefined) draining.removeEventListener('abort', hasten)
  }
}

/**
 * Whether the socket has no remote address and its server listens on a path. What `inject` makes up has no server, and
 * that of a dead TCP socket listens on a port.
 */
function cameThroughUnixSocket (request: FastifyRequest): boolean {
  const socket = request.raw.socket as typeof request.raw.socket & { server?: { address?: () => unknown } } | undefined
  return socket !== undefined && socket.remoteAddress === undefined && typeof socket.server?.address?.() === 'string'
}

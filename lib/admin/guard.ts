import type { FastifyRequest } from 'fastify'
import { typeName } from '../errors.ts'
import { isCrossSite, isForSomebodyElse } from './origin.ts'
import { digest, showsToken } from './token.ts'

/** Who may use the admin routes. Without any of the three, nobody may. */
export interface GuardOptions {
  /** What `Authorization: Bearer` must carry, at least 16 characters; several while one is being replaced. */
  token?: string | readonly string[]
  /**
   * Decides over requests that carry no accepted token. Only `true` lets in; a throw and any other answer does not. It is not asked
   * where a browser would change something for a page of another site.
   */
  authorize?: (request: FastifyRequest) => boolean | Promise<boolean>
  /**
   * Whether everything that comes through a unix socket is let in: its file mode is the guard. Not where a proxy leads
   * to the application that way. Whoever asks is let in under a loopback name (`Host`) only, and not for a page of
   * another origin: a browser may come through a tunnel. Default: `false`.
   */
  unixSocket?: boolean
}

/** What a guard says: let in, nothing was shown, or what was shown is wrong. */
export type Admission = 'granted' | 'no credentials' | 'wrong credentials'

/** Decides over one request. Never rejects. */
export type Guard = (request: FastifyRequest) => Promise<Admission>

interface GuardLog { error (details: object, message: string): void }

/** The guard that the options describe; undefined where they describe none. */
export function createGuard (options: GuardOptions, log: GuardLog): Guard | undefined {
  const tokens = [options.token ?? []].flat().filter((token) => token !== '').map((token) => digest(token))
  const { authorize, unixSocket = false } = options
  if (tokens.length === 0 && authorize === undefined && !unixSocket) return undefined
  return async (request) => {
    if (unixSocket && cameThroughUnixSocket(request) && !isForSomebodyElse(request.raw)) return 'granted'
    if (showsToken(request.headers.authorization, tokens)) return 'granted'
    const acts = request.method !== 'GET' && request.method !== 'HEAD'
    const mayAsk = authorize !== undefined && !(acts && isCrossSite(request.raw))
    if (mayAsk && await asks(authorize, request, log)) return 'granted'
    return request.headers.authorization === undefined ? 'no credentials' : 'wrong credentials'
  }
}

async function asks (authorize: NonNullable<GuardOptions['authorize']>, request: FastifyRequest, log: GuardLog): Promise<boolean> {
  try {
    const answer: unknown = await authorize(request)
    if (typeof answer === 'boolean') return answer
    log.error({}, `option 'admin.authorize' must answer true or false, got ${typeName(answer)}, access denied`)
  } catch (error) {
    log.error({ err: error }, "option 'admin.authorize' failed, access denied")
  }
  return false
}

/** A socket without a remote address whose server listens on a path. What `inject` makes up has no server, and a dead TCP socket's has a port. */
function cameThroughUnixSocket (request: FastifyRequest): boolean {
  const socket = request.raw.socket as typeof request.raw.socket & { server?: { address?: () => unknown } } | undefined
  return socket !== undefined && socket.remoteAddress === undefined && typeof socket.server?.address?.() === 'string'
}

import * as fc from 'fast-check'

/** What has HTTP on a port of its own. */
export type DoorName = 'application' | 'watchdog' | 'supervisor'

export const token = 'a-token-of-27-characters-ok'

/** A request as it is made up. */
export interface Made {
  method: string
  path: string
  query: string
  version: string
  authorization: 'none' | 'right' | 'wrong' | 'broken'
  accept: string | undefined
  agent: string | undefined
  origin: string | undefined
  site: string | undefined
  hasHost: boolean
  body: 'none' | 'counted' | 'chunked'
}

/** What is changed in the bytes of some, so that they are no request any more, or another one. */
export type Edit =
  | { at: number, kind: 'flip' | 'drop' | 'double' | 'cut', bits: number }
  | { at: number, kind: 'insert', text: string }

/** Several requests that are sent in one piece. */
export interface Piece { requests: Made[], edits: Edit[] }

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']
const probePaths = ['/livez', '/readyz', '/startupz']
const paths = [
  ...probePaths, ...probePaths.map((path) => `${path}/nothing`), '/readyz/shutdown', '/-/status', '/-/status/events',
  '/-/drain', '/-/undrain', '/-/prestop', '/-/metrics', '/metrics', '/', '/nothing', '/-/status/', '/-/Status', '/-',
  '//', '/livez/../-/status', '/%2e%2e/x', '/%zz', '*', 'http://localhost/-/status', `/${'x'.repeat(3000)}`
]
const queries = [
  '', '', '', '?verbose', '?exclude=ping', '?exclude=%zz&exclude=x', `?${'exclude=x&'.repeat(300)}`, '?a[b]=c',
  '?__proto__=1', '??'
]
const accepts = [
  undefined, '*/*', 'text/html', 'application/json', 'application/health+json', 'text/plain;q=x', 'text/html;q=0',
  ',,;;,', `text/html${','.repeat(500)}`
]
const agents = [
  undefined, 'curl/8', 'kube-lifecycle/1.34', 'kube-probe/1.34', 'Mozilla/5.0 (X11; Linux x86_64)', 'x'.repeat(2000)
]

const made: fc.Arbitrary<Made> = fc.record({
  method: fc.oneof({ weight: 5, arbitrary: fc.constant('GET') }, { weight: 6, arbitrary: fc.constantFrom(...methods) }),
  path: fc.constantFrom(...paths),
  query: fc.constantFrom(...queries),
  version: fc.oneof({ weight: 9, arbitrary: fc.constant('1.1') }, { weight: 1, arbitrary: fc.constant('1.0') }),
  authorization: fc.constantFrom('none', 'none', 'right', 'wrong', 'broken'),
  accept: fc.constantFrom(...accepts),
  agent: fc.constantFrom(...agents),
  origin: fc.constantFrom(undefined, undefined, 'null', 'https://evil.example', 'http://localhost'),
  site: fc.constantFrom(undefined, undefined, 'cross-site', 'same-origin', 'none', 'nonsense'),
  hasHost: fc.oneof({ weight: 15, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  body: fc.oneof(
    { weight: 8, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom('counted' as const, 'chunked' as const) }
  )
})

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('flip' as const, 'drop' as const, 'double' as const, 'cut' as const),
    bits: fc.integer({ min: 1, max: 255 })
  }),
  fc.record({
    at: fc.nat(),
    kind: fc.constant('insert' as const),
    text: fc.constantFrom(
      '\r\n', '\n', '\r', ' ', '\u0000', ':', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n',
      'Host: other\r\n', 'HTTP/2.0', 'GET /-/drain HTTP/1.1\r\n\r\n', '\u00ff\u00fe', '%0d%0a'
    )
  })
)

/** Pieces of one to five requests; some of them are changed. */
export const piece: fc.Arbitrary<Piece> = fc.record({
  requests: fc.array(made, { minLength: 1, maxLength: 5 }),
  edits: fc.oneof(
    { weight: 3, arbitrary: fc.constant([] as Edit[]) },
    { weight: 2, arbitrary: fc.array(edit, { minLength: 1, maxLength: 4 }) }
  )
}).map(({ requests, edits }) => ({
  edits,
  // A change might make a request that is to be answered one that acts: who changes shows no token.
  requests: requests.map((request) => isHarmless(request, edits) ? request : { ...request, authorization: 'wrong' })
}))

/** With the token nothing is asked for that acts: what the fuzzer finds out is what happens without. */
function isHarmless ({ path, authorization }: Made, edits: Edit[]): boolean {
  return authorization !== 'right' || (edits.length === 0 && !/drain|prestop/.test(path))
}

/** The bytes of a request. */
export function bytesOf ({
  method, path, query, version, authorization, accept, agent, origin, site, hasHost, body
}: Made): Buffer {
  const credentials = {
    none: undefined,
    right: `Bearer ${token}`,
    wrong: 'Bearer another-token-of-length',
    broken: 'Basic Og=='
  }[authorization]
  const fields: Array<[string, string | undefined]> = [
    ['Host', hasHost ? 'localhost' : undefined], ['Authorization', credentials], ['Accept', accept],
    ['User-Agent', agent], ['Origin', origin], ['Sec-Fetch-Site', site],
    ['Content-Length', body === 'counted' ? '4' : undefined],
    ['Transfer-Encoding', body === 'chunked' ? 'chunked' : undefined]
  ]
  const head = [
    `${method} ${path}${query} HTTP/${version}`,
    ...fields.flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}`])
  ].join('\r\n')
  return Buffer.from(
    `${head}\r\n\r\n${body === 'counted' ? 'body' : body === 'chunked' ? '4\r\nbody\r\n0\r\n\r\n' : ''}`,
    'latin1'
  )
}

/** The bytes with their changes. */
export function changed (bytes: Buffer, edits: readonly Edit[]): Buffer {
  return edits.reduce((before, edited) => {
    const at = edited.at % (before.length + 1)
    const [head, tail] = [before.subarray(0, at), before.subarray(at)]
    switch (edited.kind) {
      case 'flip': return Buffer.concat([
        head,
        Buffer.from(tail.subarray(0, 1).map((byte) => byte ^ edited.bits)),
        tail.subarray(1)
      ])
      case 'drop': return Buffer.concat([head, tail.subarray(1)])
      case 'double': return Buffer.concat([head, tail.subarray(0, 20), tail])
      case 'cut': return head
      case 'insert': return Buffer.concat([head, Buffer.from(edited.text, 'latin1'), tail])
    }
  }, bytes)
}

/**
 * Whether the connection ends with the answer to a request; that to an event stream ends it where there is room for
 * the stream.
 */
export function endsConnection (door: DoorName, { version, hasHost, body }: Made): boolean {
  return version === '1.0' || !hasHost || (door !== 'application' && body !== 'none')
}

/** Which status codes a request may be answered with. */
export function expected (door: DoorName, made: Made): readonly number[] {
  const { version, hasHost, path, body, method } = made
  if (version === '1.1' && !hasHost) return [400]
  // There were no chunks yet.
  if (version === '1.0' && body === 'chunked') return [200, 400, 401, 403, 404, 405, 415, 503]
  // What is no path, or none that can be decoded, is the router's matter.
  if (
    path === '*' || path.startsWith('http') || path.startsWith('//') || path.includes('%') || path.includes('..')
    || path.length > 1000
  ) {
    return [200, 400, 404, 405, 414]
  }
  const codes = door === 'watchdog' ? watchdogCodes(made) : fastifyCodes(door, made)
  // Fastify parses the body of what it has no route for, and there is no content type.
  const isParsed = door === 'application' && body !== 'none' && !['GET', 'HEAD', 'TRACE'].includes(method)
  return isParsed && (codes.includes(404) || method === 'OPTIONS') ? [...codes, 400, 415] : codes
}

const probeOf = (path: string): 'probe' | 'unknown' | undefined => {
  const [, name = '', check, ...rest] = path.split('/')
  if (!probePaths.includes(`/${name}`) || rest.length > 0) return undefined
  return check === 'nothing' || (check === 'shutdown' && name !== 'readyz') ? 'unknown' : 'probe'
}

function refusal ({ authorization }: Made): number {
  return authorization === 'none' ? 401 : 403
}

const isKubelet = ({ agent = '' }: Made): boolean => agent.startsWith('kube-lifecycle/')

function fastifyCodes (door: DoorName, made: Made): readonly number[] {
  const { method, path } = made
  const reads = method === 'GET' || method === 'HEAD'
  const probe = probeOf(path)
  if (probe !== undefined) return reads || method === 'OPTIONS' ? [probe === 'probe' ? 200 : 404] : [404]
  if (path === '/-/status') return [reads ? 200 : 404]
  if (path === '/-/status/events') return method === 'GET' ? [200, 503] : [404]
  if (path === '/-/drain' || path === '/-/undrain') return [method === 'POST' ? refusal(made) : 404]
  if (path === '/-/prestop') {
    return [method === 'POST' || (method === 'GET' && isKubelet(made)) ? refusal(made) : method === 'GET' ? 405 : 404]
  }
  if (door === 'application' && (path === '/-/metrics' || path === '/')) return [reads ? 200 : 404]
  if (door === 'supervisor' && path === '/-/metrics') return [!reads ? 404 : made.authorization === 'right' ? 200 : 401]
  return [404]
}

function watchdogCodes (made: Made): readonly number[] {
  const { method, path } = made
  const reads = method === 'GET' || method === 'HEAD'
  const probe = probeOf(path)
  if (path === '/-/prestop') return [method === 'POST' || (method === 'GET' && isKubelet(made)) ? refusal(made) : 405]
  if (probe !== undefined && (reads || method === 'OPTIONS')) return probe === 'probe' ? [200, 503] : [404]
  if (!reads) return [405]
  if (path === '/-/status') return [200]
  if (path === '/-/status/events' && method === 'GET') return [200, 503]
  if (path === '/-/metrics' || path === '/metrics') return [200, 503]
  return [404]
}

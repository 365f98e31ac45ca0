import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { loadOptions, readLoad } from '../../lib/cli/drill/load-options.ts'
import type { LoadPlan } from '../../lib/cli/drill/load-options.ts'
import { parse } from '../../lib/cli/drill/option.ts'
import { readHar } from '../../lib/drill/har.ts'
import { readOpenApi } from '../../lib/drill/openapi.ts'
import { exampleOf, Unfillable } from '../../lib/drill/schema-example.ts'

const pair = (name: string, value: string): { name: string, value: string } => ({ name, value })
interface Recorded { method?: string, headers?: unknown, postData?: unknown, status?: number, type?: string, mime?: string }
const entry = (url: string, { method = 'GET', headers = [], postData, status = 200, type, mime }: Recorded = {}): object => ({
  _resourceType: type, request: { method, url, headers, postData }, response: { status, content: { mimeType: mime } }
})
const har = (...entries: unknown[]): string => JSON.stringify({ log: { version: '1.2', entries } })
const shop = 'https://shop.example'

// Scenario (The rehearsal of an update): The load that a browser has recorded (HAR), and that of an OpenAPI document
t.test('a recording: the requests to its most frequent origin, as often as they were made', (t) => {
  const { profiles, stays, notes } = readHar(har(
    entry('https://cdn.example/logo.png'),
    entry(`${shop}/orders?page=1#top`, { headers: [
      pair(':authority', 'shop.example'), pair(':path', '/orders'), pair('Host', 'shop.example'), pair('Cookie', 'a=1'),
      pair('cookie', 'b=2'), pair('Accept', 'text/html'), pair('accept', 'application/json'), pair('connection', 'close'),
      pair('content-length', '7'), pair('transfer-encoding', 'chunked'), pair('authorization', 'Bearer x'),
      pair('bad name', 'x'), pair('x-bad', 'a\nb')
    ] }),
    entry(`${shop}/orders`), entry(`${shop}/orders`),
    entry(`${shop}/fails`, { status: 502 }), entry(`${shop}/aborted`, { status: 0 }),
    entry(`${shop}/x`, { method: 'CONNECT' }), entry(`${shop}/gone`, { status: 404, method: 'HEAD' }),
    entry('data:text/plain,hello'), entry('no url'), null, {},
    entry('wss://shop.example/live?x=1', { headers: [pair('Sec-WebSocket-Key', 'x'), pair('x-a', '1')] }),
    entry(`${shop}/socket`, { type: 'websocket', status: 101 }),
    entry(`${shop}/events`, { mime: 'text/event-stream; charset=utf-8' }), entry(`${shop}/events`, { type: 'eventsource' })
  ))
  t.same(profiles.map(({ method, path, weight = 1, status }) => [method, path, weight, status]), [
    ['GET', '/orders?page=1', 1, [200, 499]], ['GET', '/orders', 2, [200, 499]], ['HEAD', '/gone', 1, [200, 499]]
  ])
  t.same(profiles[0]!.headers,
    { cookie: 'a=1; b=2', accept: 'text/html, application/json', authorization: 'Bearer x' })
  t.same(stays, [
    { kind: 'websocket', path: '/live?x=1', headers: { 'x-a': '1' } }, { kind: 'websocket', path: '/socket', headers: {} },
    { kind: 'events', path: '/events', headers: {} }
  ])
  t.same(notes, [
    '1 left out, answered with 500 or more', '1 left out, without an answer', '1 left out, of the method CONNECT',
    'only requests to https://shop.example are taken, and left out: 1 to https://cdn.example'
  ])
  const other = readHar(har(entry(`${shop}/a`), entry(`${shop}/b`), entry('http://127.0.0.1:3000/c')), 'http://127.0.0.1:3000')
  t.same(other.profiles.map(({ path }) => path), ['/c'])
  t.same(readHar(har(entry('http://a/1'), entry('http://b/2'))).profiles[0]!.path, '/1', 'of several the first')
  t.end()
})

// Scenario, too: The load that a browser has recorded…
t.test('bodies of a recording: text, base64 and parameters', (t) => {
  const post = (postData: unknown): { body: string, type: string | undefined } => {
    const { profiles: [profile] } = readHar(har(entry(`${shop}/a`, { method: 'POST', postData })))
    return { body: String(profile!.body), type: profile!.headers!['content-type'] }
  }
  t.same(post({ mimeType: 'application/json', text: '{"a":"ä"}' }), { body: '{"a":"ä"}', type: undefined })
  t.same(post({ text: Buffer.from('binary').toString('base64'), encoding: 'base64' }).body, 'binary')
  const params = [pair('a', '1 2'), pair('b', 'ä&')]
  t.same(post({ mimeType: 'application/x-www-form-urlencoded', params, text: '' }),
    { body: 'a=1+2&b=%C3%A4%26', type: 'application/x-www-form-urlencoded' })
  const form = post({
    mimeType: 'multipart/form-data; boundary=x',
    params: [pair('a', '1'), { ...pair('f"\r\n', 'content'), fileName: 'a.txt', contentType: 'text/plain\r\nx: y' }]
  })
  t.equal(form.type, 'multipart/form-data; boundary=fastify-graceful-drill')
  t.equal(form.body, ['--fastify-graceful-drill', 'content-disposition: form-data; name="a"', '', '1',
    '--fastify-graceful-drill', 'content-disposition: form-data; name="f%22%0D%0A"; filename="a.txt"',
    'content-type: text/plain  x: y', '', 'content', '--fastify-graceful-drill--', ''].join('\r\n'))
  t.equal(readHar(har(entry(`${shop}/a`, { method: 'POST', postData: {} }))).profiles[0]!.body, undefined)
  t.end()
})

// Scenario, too: The load that a browser has recorded…
t.test('what is no recording is refused with its reason, and a large one is bounded', (t) => {
  const cases: Array<[json: string, message: RegExp]> = [
    ['', /^it is no JSON/], ['{"log":', /no JSON/], ['null', /no log.entries/], ['[]', /no log.entries/],
    ['{"log":{"entries":{}}}', /no log.entries/], [har(), /no request to http/], [har(entry('data:,x')), /no request/],
    [har(entry(`${shop}/a`, { status: 500 })), /none of its requests to https:\/\/shop.example can be sent: 1 left out/]
  ]
  for (const [json, message] of cases) t.throws(() => readHar(json), message, json.slice(0, 40))
  t.throws(() => readHar(har(entry(`${shop}/a`)), 'http://other'), /no request to http:\/\/other, but to https:\/\/shop/)
  const many = readHar(har(...Array.from({ length: 1500 }, (_, index) => entry(`${shop}/${index}`))))
  t.equal(many.profiles.length, 1000)
  t.same(many.notes, ['500 left out, beyond the first 1000'])
  fc.assert(fc.property(fc.array(fc.jsonValue()), (entries) => {
    try {
      return readHar(har(...entries as never[])).profiles.length >= 0
    } catch (error) {
      return /^it has no request|^none of its/.test((error as Error).message)
    }
  }))
  fc.assert(fc.property(fc.array(fc.record({
    request: fc.record({ url: fc.webUrl(), method: fc.jsonValue(), headers: fc.jsonValue(), postData: fc.jsonValue() }),
    response: fc.jsonValue(), _resourceType: fc.jsonValue()
  }, { requiredKeys: ['request'] })), (entries) => {
    try {
      return readHar(har(...entries)).notes.length >= 0
    } catch (error) {
      return /^it has no request|^none of its/.test((error as Error).message)
    }
  }), { numRuns: 500 })
  t.end()
})

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/openapi/${name}.json`, import.meta.url), 'utf8')

for (const name of ['openapi-3.0', 'openapi-3.1', 'swagger-2.0']) {
  t.test(`the GET operations of a document that @fastify/swagger has made: ${name}`, (t) => {
    const { profiles, notes, stays } = readOpenApi(fixture(name))
    t.same(profiles.map(({ method, path }) => [method, path].join(' ')), [
      'GET /api/orders?state=open&limit=5', 'GET /api/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6',
      'GET /api/products/tea%20pot%2F7/reviews/1', 'GET /api/plain/a', 'GET /api/files/a', 'GET /api/tenant'
    ])
    t.equal(profiles.at(-1)!.headers!['x-tenant'], 'a')
    t.same(stays, [])
    t.equal(notes.length, 1)
    t.match(notes[0], /GET .*\/codes\/\{code\} is left out: code needs an example: its pattern is/)
    t.end()
  })
}

const document = (get: object, more: object = {}, path = '/a/{id}'): string =>
  JSON.stringify({ openapi: '3.1.0', paths: { [path]: { get } }, ...more })
const pathOf = (parameter: object, more: object = {}): string =>
  readOpenApi(document({ parameters: [{ name: 'id', in: 'path', required: true, ...parameter }] }, more)).profiles[0]!.path as string
const left = (json: string): string => {
  try {
    return readOpenApi(json).notes.join()
  } catch (error) {
    return String(error)
  }
}

// Scenario, too: The load that a browser has recorded…
t.test('where a value comes from, and how it is written', (t) => {
  const values: Array<[parameter: object, path: string]> = [
    [{ example: 7, schema: { type: 'integer', default: 8 } }, '/a/7'],
    [{ examples: { one: { $ref: '#/components/examples/one' } } }, '/a/of%20one'],
    [{ 'x-example': 'x' }, '/a/x'],
    [{ content: { 'application/json': { schema: { type: 'integer' } } } }, '/a/1'],
    [{ schema: { type: ['null', 'string'], enum: ['b', 'c'] } }, '/a/b'],
    [{ schema: { $ref: '#/components/schemas/id' } }, '/a/12'],
    [{ schema: { type: 'array', items: { type: 'integer' }, minItems: 2 } }, '/a/1%2C1'],
    [{ schema: { anyOf: [{ type: 'null' }, { type: 'string', format: 'date' }] } }, '/a/2026-01-31'],
    [{ schema: { allOf: [{ type: 'string' }, { minLength: 3 }] } }, '/a/aaa'],
    [{ schema: { type: 'string', pattern: '^\\d{4}$', minLength: 4 } }, '/a/1111'],
    [{ type: 'integer', minimum: 3 }, '/a/3']
  ]
  const more = { components: {
    examples: { one: { value: 'of one' } }, schemas: { id: { type: 'integer', exclusiveMinimum: 10, multipleOf: 4 } }
  } }
  for (const [parameter, path] of values) t.equal(pathOf(parameter, more), path, JSON.stringify(parameter))
  const query = { parameters: [
    { name: 'list', in: 'query', required: true, example: [1, 'b&'] },
    { name: 'csv', in: 'query', required: true, explode: false, example: [1, 2], schema: {} },
    { name: 'deep', in: 'query', required: true, style: 'deepObject', example: { a: 1 } },
    { name: 'no', in: 'query' }, { name: 's', in: 'cookie', required: true, example: 'x' }
  ] }
  const [asked] = readOpenApi(document(query, { servers: [{ url: 'https://{host}/{base}/', variables: { base: { default: 'v1' }, host: { default: 'shop' } } }] }, '/a')).profiles
  t.equal(asked!.path, '/v1/a?list=1%2Cb%26&csv=1%2C2&deep%5Ba%5D=1')
  t.equal(asked!.headers!['cookie'], 's=x; ')
  const stream = { responses: { 200: { content: { 'text/event-stream': {} } } }, security: [{ key: [] }] }
  t.match(readOpenApi(document(stream, {}, '/live')),
    { profiles: [], stays: [{ kind: 'events', path: '/live' }], notes: [/^1 operations ask for credentials/] })
  t.end()
})

// Scenario, too: The load that a browser has recorded…
t.test('what cannot be filled is left out with its reason, and what is no document is refused', (t) => {
  const one = (parameter: object, more: object = {}): string =>
    left(document({ parameters: [{ name: 'id', in: 'path', required: true, ...parameter }] }, more))
  t.match(left(document({})), /nothing describes \{id\}/)
  t.match(one({ schema: { $ref: '#/components/schemas/gone' } }), /refers to #\/components\/schemas\/gone, which is not there/)
  t.match(one({ schema: { $ref: 'other.json' } }), /outside the document/)
  const loop = { components: { schemas: { a: { $ref: '#/components/schemas/a' }, b: { anyOf: [{ $ref: '#/components/schemas/b' }] } } } }
  t.match(one({ schema: { $ref: '#/components/schemas/a' } }, loop), /refers to itself/)
  t.match(one({ schema: { $ref: '#/components/schemas/b' } }, loop), /contains itself/)
  t.match(one({ schema: { type: 'file' } }), /id is of the type "file"/)
  t.match(one({ schema: { type: 'object' } }), /an object as its value/)
  t.match(one({ schema: { type: 'integer', minimum: 7, maximum: 3 } }), /bounds that nothing is between/)
  t.match(one({ schema: { type: 'string', minLength: 100_000 } }), /100000 characters/)
  const cases: Array<[json: string, message: RegExp]> = [
    ['openapi: 3.0.0\npaths:', /no JSON, and YAML is not read/], ['{}', /neither "openapi"/], ['[]', /neither/],
    ['{"openapi":"3.0.0"}', /no GET operation/], ['{"swagger":"2.0","paths":{"/a":{"post":{}}}}', /no GET operation/]
  ]
  for (const [json, message] of cases) t.throws(() => readOpenApi(json), message, json)
  fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (parameters, schemas) => {
    const text = left(document({ parameters }, { components: { schemas } }))
    return typeof text === 'string' && !text.includes('TypeError')
  }))
  t.end()
})

t.test('the value of a number is within its bounds', (t) => {
  const schema = fc.record({
    type: fc.constantFrom('integer', 'number'), minimum: fc.integer({ min: -50, max: 50 }),
    maximum: fc.integer({ min: -50, max: 50 }), multipleOf: fc.integer({ min: 1, max: 9 })
  }, { requiredKeys: ['type'] })
  fc.assert(fc.property(schema, (given) => {
    const { minimum = -Infinity, maximum = Infinity, multipleOf = 1 } = given
    const candidates = Array.from({ length: 201 }, (_, index) => index - 100)
      .filter((value) => value >= minimum && value <= maximum && value % multipleOf === 0)
    try {
      const value = exampleOf(given, {}) as number
      return value >= minimum && value <= maximum && (given.multipleOf === undefined || value % multipleOf === 0)
    } catch (error) {
      return error instanceof Unfillable && candidates.length === 0
    }
  }), { numRuns: 2000 })
  t.end()
})

const notes: string[] = []
const plan = (...args: string[]): LoadPlan =>
  readLoad(parse([...args, 'service.js'], loadOptions)!.given, (note) => notes.push(note))
const refused = (...args: string[]): string => {
  try {
    plan(...args)
  } catch (error) {
    return String(error)
  }
  throw new Error(`${args.join(' ')} is no mistake`)
}

t.test('the options: files, routes, and what follows them', async (t) => {
  const dir = t.testdir({
    'a.har': har(entry(`${shop}/a`), entry(`${shop}/a`), entry('http://b/b')), 'live.har': har(entry('ws://shop/live')),
    'doc.json': document({}, {}, '/doc'), 'doc.yaml': 'openapi: 3.0.0', 'no.har': '{}'
  })
  const file = (name: string): string => join(dir, name)
  const { profiles, stays, readTraffic } = plan('--keep-alive=100', '--header', 'authorization:x', '--har', file('a.har'),
    '--weight', '3', '--status', '200', '--openapi', file('doc.json'), '--path', '/p', '--har', file('a.har'),
    '--origin', 'http://b', '--websocket', '/w', '--header', 'x-w:1', '--events', '/e', '--clients', '4')
  t.equal(readTraffic, undefined)
  t.same(profiles!.map(({ path, weight, status, headers }) => [path, weight, status, headers]), [
    ['/a', 6, [200, 200], { authorization: 'x' }], ['/doc', 1, [200, 499], { authorization: 'x' }],
    ['/p', 1, undefined, { authorization: 'x' }], ['/b', 1, [200, 499], { authorization: 'x' }]
  ])
  t.same(stays, [
    { kind: 'websocket', path: '/w', headers: { authorization: 'x', 'x-w': '1' }, clients: 4 },
    { kind: 'events', path: '/e', headers: { authorization: 'x' }, clients: 4 }
  ])
  t.equal(notes.length, 2)
  t.match(notes[0], /^--har .*a.har: only requests to https:\/\/shop.example are taken/)
  t.match(plan('--har', file('live.har')), { profiles: [], stays: [{ kind: 'websocket', path: '/live', clients: 10 }] })

  t.match(refused('--har', file('no.har')), /'--har' must be a HAR recording, but it has no log.entries/)
  t.match(refused('--har', file('gone.har')), /'--har' must be a HAR recording, but ENOENT/)
  t.match(refused('--openapi', file('doc.yaml')), /'--openapi' must be an OpenAPI document.*YAML is not read/)
  t.match(refused('--websocket', 'live'), /'--websocket' must be a path such as \/orders\/live, got 'live'/)
  t.match(refused('--events', '/e', '--data', 'x'), /'--data' must follow the --path .* it follows --events \/e/)
  t.match(refused('--har', file('a.har'), '--origin', 'shop'), /'--origin' must be an origin/)
  t.match(refused('--clients', '0'), /'--clients' must be a whole number/)
})

t.test('a document that the first replica serves', async (t) => {
  const server = createServer((request, reply) => {
    if (request.url === '/documentation/json') reply.end(fixture('openapi-3.0'))
    else reply.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const replica = { name: '1 old', host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  notes.length = 0
  const { readTraffic, profiles } = plan('--openapi', '/documentation/json', '--path', '/p', '--keep-alive', '0')
  t.equal(profiles, undefined)
  for (const run of [1, 2]) {
    const traffic = await readTraffic!(replica)
    t.equal(traffic.profiles.length, 7, `run ${run}`)
    t.equal(notes.length, 1, 'what is left out is said once')
  }
  await t.rejects(plan('--openapi', '/nowhere').readTraffic!(replica),
    /^--openapi \/nowhere: neither a file nor a route with such a document: the service answers 404/)
  await t.rejects(plan('--openapi', '/documentation/json').readTraffic!({ ...replica, port: 1 }), /ECONNREFUSED/)
})

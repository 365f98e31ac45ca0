import { join } from 'node:path'
import t from 'tap'
import { Given, parse } from '../../lib/cli/drill/option.ts'
import { loadOptions, readLoad } from '../../lib/cli/drill/load-options.ts'
import type { LoadPlan } from '../../lib/cli/drill/load-options.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'

const plan = (...args: string[]): LoadPlan => readLoad(parse([...args, 'service.js'], loadOptions)!.given)
const requests = (...args: string[]): RequestProfile[] => [...plan('--keep-alive', '100%', ...args).profiles!]
const refused = (...args: string[]): string => {
  try {
    plan(...args)
  } catch (error) {
    return String(error)
  }
  throw new Error(`${args.join(' ')} is no mistake`)
}

t.test('a path with a method, headers and a body', (t) => {
  const [plain] = requests()
  t.match(plain, { method: 'GET', path: '/', headers: {}, body: undefined, weight: 1 })
  const [post, put] = requests(
    '--path', 'POST /orders?x=1 content-type:application/vnd.shop+json x-shop:7  {"product": "a b"}\n',
    '--path', 'put /orders/7'
  )
  t.match(post, {
    name: 'POST /orders?x=1', method: 'POST', path: '/orders?x=1',
    headers: { 'content-type': 'application/vnd.shop+json', 'x-shop': '7' }
  })
  t.equal(String(post!.body), '{"product": "a b"}\n')
  t.match(put, { method: 'PUT', path: '/orders/7', body: undefined })
  t.match(requests('--path', '/orders {"a":1}')[0], { method: 'POST', headers: { 'content-type': 'application/json' } })
  t.match(requests('--path', 'PATCH /orders a=1')[0], { method: 'PATCH', headers: { 'content-type': 'text/plain' } })
  t.match(requests('--path', '/a X-A:1')[0], { headers: { 'x-a': '1' } })
  t.end()
})

t.test('what follows a path belongs to it, and what is before the first to all', (t) => {
  const dir = t.testdir({ body: 'from a file' })
  const [a, b, c] = requests(
    '--header', 'authorization: Bearer a b', '--status', '2xx',
    '--path', '/a', '--header', 'x-one:', '--weight', '2.5',
    '--path', '/b', '--data', `@${join(dir, 'body')}`, '--status', '401',
    '--path', '/c', '--data={"c":1}', '--status', '200-404', '--header', 'Authorization: other'
  )
  t.match(a, { headers: { authorization: 'Bearer a b', 'x-one': '' }, weight: 2.5, status: [200, 299], method: 'GET' })
  t.match(b, { headers: { authorization: 'Bearer a b' }, weight: 1, status: [401, 401], method: 'POST' })
  t.equal(b!.headers!['x-one'], undefined)
  t.equal(String(b!.body), 'from a file')
  t.match(c, { headers: { authorization: 'other', 'content-type': 'application/json' }, status: [200, 404] })
  t.match(requests('--header', 'x-all:1')[0], { path: '/', headers: { 'x-all': '1' } })
  t.end()
})

t.test('connections, and how many are kept', (t) => {
  t.match(plan(), { rate: 100, timeout: 15_000, connections: undefined })
  t.match(plan('--connections', '20', '--rate=7', '--timeout', '2s'), { rate: 7, timeout: 2000, connections: 20 })
  const shares = (...args: string[]): unknown => plan(...args).profiles!.map(({ path, keepAlive, weight }) =>
    [path, keepAlive ?? true, Math.round(weight! * 100) / 100])
  t.same(shares(), [['/', true, 0.8], ['/', false, 0.2]])
  t.same(shares('--keep-alive', '0'), [['/', false, 1]])
  t.same(shares('--keep-alive', '25%', '--path', '/a', '--weight', '4'), [['/a', true, 1], ['/a', false, 3]])
  t.equal(new Set(plan('--path', '/a', '--path', '/b').profiles!.map(({ group }) => group)).size, 2)
  t.end()
})

t.test('a mistake is named with its option, what was expected and what was given', (t) => {
  const cases: Array<[args: string[], message: RegExp]> = [
    [['--path', 'orders'], /'--path' must be a path such as \/orders.*got 'orders'/],
    [['--path', ''], /'--path' must be a path/],
    [['--path', 'http://localhost/a'], /'--path' must be a path.*got 'http:/],
    [['--path', '/ä'], /'--path' must be a path/],
    [['--path', 'FETCH /a'], /after a method.*got 'FETCH \/a'/],
    [['--path', 'CONNECT /a'], /after a method/],
    [['--path', '/a content-length:7'], /'--path' cannot set content-length/],
    [['--path', '/a x:\u0001'], /'--path' must be a header .*Invalid character/],
    [['--path', '/a', '--header', 'no colon'], /'--header' must be a header .*got 'no colon'/],
    [['--header', 'Connection: close'], /'--header' cannot set connection/],
    [['--data', 'x'], /'--data' must follow the --path that it belongs to, but it is the first/],
    [['--weight', '2', '--path', '/'], /'--weight' must follow the --path/],
    [['--path', '/a {}', '--data', 'x'], /'--data' must be the only body/],
    [['--path', '/a', '--data', '@/no/such/file'], /'--data' must be a body, or @ and a file .*ENOENT/],
    [['--path', '/a', '--data', '@/'], /is no file/],
    [['--path', '/', '--status', '99'], /'--status' must be a status.*got '99'/],
    [['--path', '/', '--status', '404-200'], /'--status' must be/],
    [['--path', '/', '--weight', '0'], /'--weight' must be a number above 0.*got '0'/],
    [['--keep-alive', '101'], /'--keep-alive' must be a share from 0% to 100%, got '101'/],
    [['--keep-alive', 'all'], /'--keep-alive' must be/],
    [['--connections', '0'], /'--connections' must be a whole number from 1 to 4000, got '0'/],
    [['--rate', '1.5'], /'--rate' must be a whole number/]
  ]
  for (const [args, message] of cases) t.match(refused(...args), message, args.join(' '))
  t.equal(new Given([['rate', '1']]).has('rate'), true)
  t.end()
})

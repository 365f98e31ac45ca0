import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { GracefulOptions } from '../../lib/index.ts'
import { build } from '../support/app.ts'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'

const token = 'a-token-of-27-characters-ok'
const html = { accept: 'text/html,application/xhtml+xml' }

/** What is to be seen somewhere, as a browser and as a program: what `/-/status` and `/-/status/events` answer. */
type Sight = [page: string, json: string, stream: number]
const all: Sight = ['text/html; charset=utf-8', 'application/json; charset=utf-8', 200]
const four: Sight = ['application/json; charset=utf-8', 'application/json; charset=utf-8', 404]

async function look (base: string): Promise<Sight> {
  const page = await fetch(`${base}/-/status`, { headers: html })
  await page.text()
  const json = await fetch(`${base}/-/status`)
  const fields = Object.keys(await json.json() as object)
  const abort = new AbortController()
  const stream = await fetch(`${base}/-/status/events`, { signal: abort.signal })
  abort.abort()
  await stream.text().catch(() => {})
  const publicFields = ['phase', 'number', 'since', 'ready']
  return [
    page.headers.get('content-type') ?? '',
    publicFields.every((name) => fields.includes(name)) && fields.length <= 5
      ? json.headers.get('content-type') ?? ''
      : fields.join(),
    stream.status
  ]
}

// Scenario (Health): Strangers who would hold streams open on a public port
t.test('the page and the stream are there where a guard is configured, or outside production', async (t) => {
  const production = { NODE_ENV: 'production' }
  const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  const rows: Array<[name: string, env: Record<string, string>, options: GracefulOptions, expected: Sight]> = [
    ['at a desk', {}, {}, all],
    ['in tests', { NODE_ENV: 'test' }, {}, all],
    ['in production', production, {}, four],
    ['in a pod', pod, {}, four],
    ['in a pod that is none', pod, { kubernetes: false }, all],
    ['in production, with a token', production, { admin: { token } }, all],
    ['in production, with authorize', production, { admin: { authorize: () => false } }, all],
    ['in production, with unixSocket', production, { admin: { unixSocket: true } }, all],
    ['in production, with a token that is missing', production, { admin: { token: undefined as never } }, four],
    ['in production, with no list of tokens but an object without any', production, { admin: {} }, four]
  ]
  for (const [name, env, options, expected] of rows) {
    Object.assign(process.env, env)
    const app = build({ watchdog: false, ...options })
    try {
      t.strictSame(await look(await app.listen({ port: 0, host: '127.0.0.1' })), expected, name)
    } finally {
      for (const variable of Object.keys(env)) delete process.env[variable]
      await app.close()
    }
  }
})

const portOf = async (service: Fork): Promise<string> =>
  `http://127.0.0.1:${(await service.waitForLine(/^ports \d+ (\d+)$/m))[1]}`

t.test('likewise on the port of the watchdog', async (t) => {
  const rows: Array<[name: string, env: Record<string, string>, admin: object, expected: Sight]> = [
    ['at a desk',
      { NODE_ENV: '' }, {}, all],
    ['in production',
      { NODE_ENV: 'production' }, {}, four],
    ['in production, with a token',
      { NODE_ENV: 'production' }, { token }, all],
    ['in production, with unixSocket, which means nothing on a port',
      { NODE_ENV: 'production' }, { unixSocket: true }, four]
  ]
  for (const [name, env, admin, expected] of rows) {
    const service = fork('parent.js', { env, given: { options: { admin, watchdog: { port: 0, host: '127.0.0.1' } } } })
    t.strictSame(await look(await portOf(service)), expected, name)
    service.kill('SIGKILL')
    await service.result
  }
})

t.test('likewise on the port of a supervisor', async (t) => {
  const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
  const rows: Array<[name: string, env: Record<string, string>, flags: string[], expected: Sight]> = [
    ['at a desk', { NODE_ENV: '' }, [], all],
    ['in production', { NODE_ENV: 'production' }, [], four],
    ['in production, with a token', { NODE_ENV: 'production' }, ['--status-token', token], all]
  ]
  for (const [name, env, flags, expected] of rows) {
    const service = fork('parent.js', { env, node: [cli, 'run', '--status-port', '0', ...flags] })
    const [, address = ''] = await service.waitForLine(/"event":"graceful\.supervisor\.status","address":"([^"]+)"/)
    t.strictSame(await look(address), expected, name)
    service.kill('SIGKILL')
    await service.result
  }
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { readTarget } from '../../lib/cli/status/command.ts'

const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))

interface Outcome { code: number | null, stdout: string, stderr: string }

/** Runs the command, and answers what it has written, and its code. */
async function status (args: string[]): Promise<Outcome> {
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [cli, 'status', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => { written[name] += text })
  }
  const [code] = await once(child, 'close') as [number | null]
  return { code, ...written }
}

/** A server that says the same to everybody, as the status and as the stream. */
async function saying (t: Test, json: string): Promise<number> {
  const answer = (url: string, response: ServerResponse): unknown => {
    if (!url.endsWith('/events')) return response.writeHead(200, { 'content-type': 'application/json' }).end(json)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`event: status\ndata: ${json}\n\n`)
    return response.end(`event: report\ndata: ${json}\n\n`)
  }
  const server = createServer(({ url = '' }, response) => { answer(url, response) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return (server.address() as AddressInfo).port
}

const nests: Record<string, (depth: number) => string> = {
  arrays: (depth) => '['.repeat(depth) + ']'.repeat(depth),
  objects: (depth) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth),
  both: (depth) => '[{"a":'.repeat(depth) + '1' + '}]'.repeat(depth)
}

/** Services that answer with something nested so deeply, each elsewhere in its status. */
async function nesting (t: Test, depth: number): Promise<string[]> {
  const fields = ['nobody', 'holds', 'report']
  const statuses = Object.values(nests).flatMap((nest) => fields.map((field) =>
    `{"phase":"running","number":0,"since":1,"ready":true,"${field}":${nest(depth)}}`))
  return Promise.all(statuses.map(async (status) => String(await saying(t, status))))
}

// Scenario, too: Odd text and nested answers…
t.test('status takes whatever is nested in what it is answered', async (t) => {
  for (const depth of [10, 5000, 20_000]) {
    const addresses = await nesting(t, depth)
    const ways = depth === 5000 ? [['--json'], [], ['--json', '--watch'], ['--watch']] : [['--json']]
    for (const flags of ways) {
      const { code, stdout, stderr } = await status(['--timeout', '20s', ...flags, ...addresses])
      const what = `${depth} levels, ${flags.join(' ')}`
      t.strictSame([code, stderr], [0, ''], what)
      t.ok(stdout.length < 100_000 * addresses.length, `${stdout.length} characters`)
      if (!flags.includes('--json')) continue
      const lines = stdout.trim().split('\n')
      t.ok(lines.length >= addresses.length, `${what}: ${lines.length} lines`)
      for (const line of lines) t.match(JSON.parse(line), { status: { phase: 'running' } }, what)
    }
  }
})

// Scenario, too: Odd text and nested answers…
t.test('a password in an address is never repeated', async (t) => {
  const secret = 'hunter2-hunter2'
  const addresses = [
    `http://user:${secret}@localhost:99999`, `http://user:${secret}@localhost:port`, `user:${secret}@localhost:99999`,
    `https://${secret}@localhost:99999/-/status`, `http://user:${secret}/x@localhost:99999`,
    `http://user:${secret}#x@localhost:99999`, `http://user:${secret}?x@[::1`,
    `http://user:${secret}@x@localhost:99999`, `ftp://user:${secret}@localhost`, `http:/user:${secret}@localhost`,
    `http:user:${secret}@localhost`, `http:///user:${secret}@localhost`, `http://user:${secret}@localhost:1`,
    `user:${secret}@localhost:1`, `://user:${secret}@localhost`, `unix:user:${secret}@x`, `http://user:${secret}@`,
    `http://user:${secret}\n@localhost:99999`, `\thttp://user:${secret}@localhost`, `ht\ntp://user:${secret}@localhost`,
    `http//user:${secret}@localhost`, `${secret}:@localhost:99999`, `${secret}://x@localhost`, `${secret}@localhost`,
    `http://user:${secret}%40localhost`, `http://localhost:99999/-/status?token=${secret}`, `localhost:port#${secret}`,
    ` http://user:${secret}@localhost`, `http:\\\\user:${secret}@localhost`, `HTTP:/user:${secret}@localhost`
  ]
  for (const address of addresses) {
    const { message } = t.throws(() => readTarget(address), { name: 'UsageError' }, address) as unknown as Error
    t.notOk(message.includes(secret.slice(0, 7)), message)
  }
  for (const address of [
    `http://localhost:1/-/status?token=${secret}`,
    `localhost:1#${secret}`,
    `unix:/nothing:/-/status?token=${secret}`
  ]) {
    t.notOk(readTarget(address).name.includes(secret.slice(0, 7)), readTarget(address).name)
  }
  t.equal(readTarget('unix:/run/x:/-/status?a=b#c').path, '/-/status?a=b', 'a query is asked with')
  t.equal(readTarget('localhost:1/app?a=b#c').path, '/app/-/status?a=b')
  for (const flags of [[], ['--json']]) {
    const { code, stdout, stderr } = await status([...flags, addresses[0] ?? ''])
    t.notOk((stdout + stderr).includes(secret.slice(0, 7)), `${stdout}${stderr}`)
    t.equal(code, 64)
  }
})

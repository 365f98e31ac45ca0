import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import { credentials } from '../traffic/support.ts'
import { token } from './cases.ts'
import { containerOf, podOf } from './pod.ts'
import { render, service } from './render.ts'
import type { Values } from './render.ts'
import { helm } from './tools.ts'

const folder = mkdtempSync(join(tmpdir(), 'graceful-prestop-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** The command of the hook that the chart renders. */
async function commandOf (values: Values): Promise<string[]> {
  const { lifecycle } = containerOf(await render(values))
  return lifecycle?.preStop.exec?.command ?? []
}

/** Runs it as the kubelet would in the container, but that the service listens on a port of its own. */
async function call (
  command: string[], port: number, env: Record<string, string>
): Promise<{ code: number | null, output: string }> {
  const [program = '', ...args] = command.map((part) => part.replace(/"port":\d+/, `"port":${port}`))
  let output = ''
  const child = execFile(
    'env',
    ['-u', 'NODE_OPTIONS', program === 'node' ? process.execPath : program, ...args],
    { env: { PATH: process.env['PATH'], ...env } },
    (_error, stdout, stderr) => { output = stdout + stderr }
  )
  const [code] = await once(child, 'close') as [number | null]
  return { code, output }
}

/** A service with the token, as the chart configures it. */
async function serve (t: Test, values: { prefix?: string, isSecure?: boolean, host?: string }): Promise<{
  app: FastifyInstance
  port: number
}> {
  const { prefix = '/-', isSecure = false, host = '127.0.0.1' } = values
  const app = (isSecure ? Fastify({ https: credentials }) : Fastify()) as unknown as FastifyInstance
  app.register(graceful, {
    exit: false,
    gracePeriod: 3000,
    announce: { min: 200, blind: 200 },
    signals: { SIGTERM: false, SIGINT: false, SIGHUP: false },
    admin: { token, prefix }
  })
  await app.listen({ port: 0, host })
  t.teardown(() => app.close())
  return { app, port: (app.server.address() as AddressInfo).port }
}

// Scenario (Attacks, and failures of the plugin's own code): A preStop hook that calls the plugin, and who can read its
// token
t.test('exec calls the plugin from inside, with the token from where the application has it', async (t) => {
  const file = join(folder, 'token')
  writeFileSync(file, `${token},another-token-of-some-length\n`)
  const inFile = { GRACEFUL_ADMIN_TOKEN_FILE: file }
  const inVariable = { GRACEFUL_ADMIN_TOKEN: token }
  type Row = [name: string, values: Values, service: Parameters<typeof serve>[1], env: Record<string, string>]
  const rows: Row[] = [
    ['a file', { admin: { token } }, {}, inFile],
    ['a Secret of their own', { admin: { existingSecret: 'mine', prefix: '/admin' } }, { prefix: '/admin' }, inFile],
    ['a variable, over TLS', {
      admin: { token, tokenFrom: 'env' }, probes: { scheme: 'HTTPS' }
    }, { isSecure: true }, inVariable],
    ["the watchdog's port, which speaks no TLS", {
      admin: { token }, probes: { scheme: 'HTTPS', port: 9000, host: '127.0.0.1' }
    }, {}, inFile]
  ]
  for (const [name, values, given, env] of rows) {
    const { app, port } = await serve(t, given)
    const command = await commandOf({ ...values, preStop: { mode: 'exec' } })
    t.same(await call(command, port, env), { code: 0, output: 'preStop: 200\n' }, name)
    t.equal(app.graceful.phase, 'announcing', `${name}: phase 1 has begun`)
  }
  t.same(await commandOf({ preStop: { mode: 'exec', command: ['/nodejs/bin/node', 'a.js'] } }), ['/nodejs/bin/node', 'a.js'])
})

// Scenario, too: A preStop hook that calls the plugin, and who can read its token
t.test('what goes wrong is said, and the token is not', async (t) => {
  const { app, port } = await serve(t, {})
  const command = await commandOf({ admin: { token }, preStop: { mode: 'exec' } })
  const rows: Array<[name: string, to: number, env: Record<string, string>, said: RegExp]> = [
    ['another token', port, { GRACEFUL_ADMIN_TOKEN: 'of-somebody-else-entirely' }, /^preStop: 403\n$/],
    ['nobody listens', 1, { GRACEFUL_ADMIN_TOKEN: token }, /^preStop: ECONNREFUSED\n$/],
    ['no file', port, { GRACEFUL_ADMIN_TOKEN_FILE: join(folder, 'none') }, /ENOENT/],
    ['no header', port, { GRACEFUL_ADMIN_TOKEN: `${token}\u{1F600}` }, /ERR_INVALID_CHAR/]
  ]
  for (const [name, to, env, said] of rows) {
    const { code, output } = await call(command, to, env)
    t.equal(code, 1, name)
    t.match(output, said, name)
    t.notOk(output.includes(token) || output.includes('somebody-else'), `${name}: ${output}`)
  }
  t.equal(app.graceful.phase, 'running')
})

async function notesOf (mode: string): Promise<string> {
  const set = `image.repository=shop,preStop.mode=${mode},admin.token=${token}`
  const { stdout } = await helm(['install', 'rel', service, '--dry-run=client', '--set', set])
  return stdout.split('NOTES:')[1] ?? ''
}

// Scenario, too: A preStop hook that calls the plugin, and who can read its token
t.test('the token is in the definition of a pod in one mode alone, of which the notes warn', async (t) => {
  const warning = /WARNING: preStop\.mode http puts admin\.token into the pod's definition in plain text/
  for (const [mode, isShown] of [['none', false], ['exec', false], ['http', true]] as const) {
    for (const tokenFrom of mode === 'exec' ? ['file', 'env'] : ['file']) {
      const manifests = await render({ preStop: { mode }, admin: { token, tokenFrom } })
      t.equal(JSON.stringify(podOf(manifests)).includes(token), isShown, `${mode}, ${tokenFrom}`)
    }
    const notes = await notesOf(mode)
    t.equal(warning.test(notes), isShown, `${mode}: the notes`)
    if (mode !== 'none') t.match(notes, /0 s {2}the pod is deleted; the preStop hook calls the plugin; announcing/)
    t.notMatch(notes, token, `${mode}: and the notes do not show it`)
  }
})

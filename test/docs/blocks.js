// Runs every block of JavaScript of a page as it stands there, one after the other, each with an application of its own
// and stand-ins for what is the reader's. A line of JSON for each: where it begins, and what went wrong.
//   node test/docs/blocks.js docs/guides/recipes.md
import { spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { register } from 'prom-client'
import graceful from '../../dist/index.js'

const [, , page] = process.argv
const root = new URL('../../', import.meta.url)
const work = mkdtempSync(join(tmpdir(), 'blocks-'))
const require = createRequire(import.meta.url)
const packages = { 'fastify-graceful': '../../dist/index.js', 'fastify-graceful/supervisor': '../../dist/supervisor/index.js' }
const addressOf = (name) => name.startsWith('node:') ? name
  : packages[name] === undefined ? pathToFileURL(require.resolve(name)).href : new URL(packages[name], import.meta.url).href

const nothing = async () => {}
/** What a reader has, and a page takes for granted. */
const readers = () => ({
  app: undefined, Fastify, graceful, register,
  NestFactory: undefined, FastifyAdapter: undefined, AppModule: undefined,
  authenticate: nothing, guard: nothing, orders: async () => [], isOperator: () => true,
  pool: { query: nothing, end: nothing },
  queue: { receive: nothing }, handle: nothing, outbox: new Set(), bus: new EventEmitter(),
  save: async () => ({ id: 1 }), sendConfirmation: nothing, sendMail: nothing, work: nothing,
  cache: { load: nothing }, registry: { deregister: nothing },
  importNextRow: async () => false, saveWhereWeAre: nothing,
  cookie: nothing, session: nothing, routes: nothing, secret: 'a secret', request: {}
})

/** The code with addresses, ports and paths that are free here. */
const here = (code) => code
  .replaceAll(/from '([\w@./:-]+)'/g, (_all, name) => `from '${addressOf(name)}'`)
  .replaceAll(/port: 3000/g, 'port: 0').replaceAll('listen(3000,', 'listen(0,').replaceAll('/run/shop/http.sock', join(work, 'http.sock'))
  .replaceAll(/statusPort: 9000/g, 'statusPort: 0').replaceAll(/watchdog: \{ port: 9000 \}/g, 'watchdog: { port: 0 }')
  .replaceAll("script: 'server.js'", `script: ${JSON.stringify(join(work, 'server.mjs'))}`)
  .replaceAll("workers: 'auto'", 'workers: 1, exit: false')
  .replace(/^\/\/ before\n[^]*?^\/\/ after$/m, '')

/** Nest with a module of nothing, read only where a block is about it. */
async function nestParts () {
  await import('reflect-metadata')
  const [{ Module }, { NestFactory }, { FastifyAdapter }] =
    await Promise.all(['@nestjs/common', '@nestjs/core', '@nestjs/platform-fastify'].map((name) => import(name)))
  const AppModule = class { name = 'nothing' }
  Module({})(AppModule)
  return { NestFactory, FastifyAdapter, AppModule }
}

let count = 0
async function load (code, extension = 'mjs') {
  const file = join(work, `block-${++count}.${extension}`)
  writeFileSync(file, code)
  return import(pathToFileURL(file).href)
}

/** A block that is part of a function of the reader's. */
async function runPart (code) {
  const [imports, rest] = [/^import .*$/gm, /^(?!import ).*$/gm].map((lines) => (code.match(lines) ?? []).join('\n'))
  const own = new Set([...imports.matchAll(/\w+/g), ...rest.matchAll(/\b(?:const|let|function) (\w+)/g)].flat())
  const given = Object.keys(readers()).filter((name) => !own.has(name))
  const { default: run } = await load(`${imports}\nexport default async ({ ${given.join(', ')} }) => {\n${rest}\n}`)
  // Each line that registers the plugin is a way of its own.
  const app = Fastify()
  const nest = /NestFactory/.test(rest) ? await nestParts() : {}
  if (!/\bregister\(graceful/.test(rest) && !/const app = /.test(rest)) await app.register(graceful, { exit: false, watchdog: false })
  if (/websocket: true|websocketServer/.test(rest)) await app.register(websocket)
  await run({ ...readers(), ...nest, app })
  await app.ready()
  await app.close()
}

/** A file of tests, in a process of its own. */
function runTests (text) {
  const file = join(work, 'block.test.mjs')
  writeFileSync(file, text)
  const { status, stdout } = spawnSync(process.execPath, ['--test', file], { encoding: 'utf8', env: withoutTests() })
  if (status !== 0 || !/^# pass [1-9]/m.test(stdout)) throw new Error(`exit ${status}: ${stdout}`)
}

/** Where a test runs already, Node runs no others. */
function withoutTests () {
  const { NODE_TEST_CONTEXT: _context, NODE_OPTIONS: _options, ...env } = process.env
  return { ...env, FORCE_COLOR: '0' }
}

async function runBlock (code) {
  const text = here(code)
  if (/from 'node:test'/.test(text)) return runTests(text)
  if (/^module\.exports = /m.test(text)) return void await load(text, 'cjs')
  if (/^export default /m.test(text)) {
    const app = Fastify()
    await app.register((await load(text)).default)
    await app.ready()
    return app.close()
  }
  if (/^export async function create/m.test(text)) {
    const app = await (await load(text)).create()
    await app.ready()
    return app.close()
  }
  if (/= require\('fastify-graceful'\)/.test(text)) {
    const path = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
    return void await load(text.replace("'fastify-graceful'", JSON.stringify(path)), 'cjs')
  }
  const ways = text.trim().split('\n').filter((line) => /^app\.register\(graceful.*\)(?: \/\/.*)?$/.test(line))
  // Several ways to register it, one a line.
  if (ways.length > 1) for (const way of ways) await runPart(way)
  else await runPart(text)
}

writeFileSync(join(work, 'server.mjs'), `import Fastify from '${addressOf('fastify')}'
import graceful from '${addressOf('fastify-graceful')}'
const app = Fastify()
await app.register(graceful, { gracePeriod: 1000, announce: { failures: 0 } })
await app.listen({ port: 0, host: '127.0.0.1' })
`)
process.env.ADMIN_TOKEN = 'a-token-of-16-or-more'
const text = readFileSync(new URL(page, root), 'utf8')
for (const { 1: name, 2: code, index } of text.matchAll(/(?:<!-- recipe: (.+) -->\n)?```js\n([^]*?)```/g)) {
  const line = text.slice(0, index).split('\n').length
  let problem = name === undefined ? undefined : 'skipped: run by test/recipes'
  if (name === undefined) problem = await runBlock(code).catch((error) => `${error.stack ?? error}`)
  console.log(JSON.stringify({ page, line, problem }))
}
rmSync(work, { recursive: true })
process.exit()

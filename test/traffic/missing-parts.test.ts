import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'

const run = promisify(execFile)
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Where the service runs that is said to miss something: by itself, or below a parent. */
type Place = 'alone' | 'child' | 'worker'

/** Each part that is looked for at the start, with the beginning of what is done without it. */
const parts: ReadonlyArray<[part: string, instead: string, place?: Place]> = [
  ['_httpMessage', 'each reply is followed from the beginning'],
  ['_storeHeader', 'writeHead is wrapped'],
  ['_header', 'no "Connection: close" is taken back'],
  ['_headerSent', 'no "Connection: close" is taken back'],
  ['_last', 'no "Connection: close" is taken back'],
  ['outputData', 'no "Connection: close" is taken back from a reply that waits for another one'],
  ['_hasBody', 'no "Connection: close" is taken back from a reply to HEAD'],
  ['parser', 'each upgraded connection is noted'],
  ['getCurrentBuffer', 'a request that comes together with others'],
  ['_readableState', 'the end of a client is noticed'],
  ['_handle', 'what the kernel has not taken'],
  ['_parent', 'a handshake of TLS'],
  ['httpAllowHalfOpen', 'a client that has ended its side'],
  ['_getActiveHandles', 'what keeps the process is named by its kind alone'],
  ['unrefCounted', 'the channel to the parent keeps the process', 'child'],
  ['refCounted', 'a process that has nothing else to do may end', 'child'],
  ['internalMessage', 'an order of the primary', 'worker'],
  ['_current', 'the report names no plugin that boots'],
  ['_closeQ', 'the report does not name hooks'],
  ['isOnCloseHandler', 'the report does not name hooks'],
  ['fastify.state', 'boot is stopped'],
  ['fastify.hooks', 'preClose hooks are run by Fastify'],
  ['fastify.children', 'preClose hooks of plugins are run by Fastify'],
  ['fastify.pluginNameChain', 'the report names no plugins'],
  ['fastify.options', 'a server of serverFactory'],
  ['fastify.serverBindings', 'a second listener of localhost'],
  ['fastify.Reply', 'whether a handler that hijacks'],
  ['fastify.context', 'the hook of requests stays where it is'],
  ['fastify.reply.hijacked', 'a handler whose client has left']
]

/** Names that are taken away where they are read as strings are said with this behind them. */
const suffix = (part: string): string =>
  /^fastify\.|^internalMessage$|^isOnCloseHandler$/.test(part) ? `${part}Missing` : part

/** A service without a part: its exit code, all it wrote, and what it said of parts. */
async function serve (part: string, place: Place): Promise<{ code: number, output: string, said: string[] }> {
  const imports = ['strip-types.js', 'without-part.js'].flatMap((name) => ['--import', path(`../support/${name}`)])
  const command = [...cleanEnv, `WITHOUT_PART=${part}`, process.execPath, ...imports, path('fixtures/parts.js'), place]
  const { code, stdout, stderr } = await run('env', command).then(
    (written) => ({ code: 0, ...written }),
    (error: unknown) => error as { code: number, stdout: string, stderr: string }
  )
  const output = stdout + stderr
  return { code, output, said: output.split('\n').filter((line) => line.includes('graceful.internals')) }
}

// Scenario, too: A Node or Fastify without one of the private parts…
t.test('a service without a private part starts, says so in one line, answers and ends', { jobs: 2 }, async (t) => {
  for (const [part, instead, place = 'alone'] of parts) {
    t.test(part, async (t) => {
      const { code, output, said } = await serve(part, place)
      t.equal(code, 0, output)
      t.match(output, /^answered 200$/m)
      t.equal(said.length, 1, output)
      const { msg = '' } = JSON.parse(said[0] ?? '{}') as { msg?: string }
      t.ok(msg.includes(`goes on without them: ${suffix(part)} (${instead}`), msg)
      t.ok(msg.includes(`Node ${process.versions.node} with Fastify`), 'with the versions')
      t.equal(msg.match(/ \(/g)?.length, 1, `it alone: ${msg}`)
    })
  }
})

// Scenario (Connections): All private parts that are used are there, and nothing is said of them
t.test('with all parts nothing is said, wherever the service runs', { jobs: 2 }, async (t) => {
  for (const place of ['alone', 'child', 'worker'] as const) {
    t.test(place, async (t) => {
      const { code, output, said } = await serve('nothing', place)
      t.strictSame([code, said], [0, []], output)
      t.match(output, /^answered 200$/m)
    })
  }
})

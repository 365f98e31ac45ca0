import { once } from 'node:events'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { claimPort } from '../../lib/drill/processes.ts'
import { inTime, Stopwatch, unlessLate } from '../support/stopwatch.ts'
import { install, versionOf } from './support/install.ts'
import { start } from './support/service.ts'
import { Terminal } from './support/terminal.ts'

t.setTimeout(300_000)
t.jobs = 3

/** Milliseconds from an edit to the answer that it makes, and from Ctrl-C to the prompt. */
const longest = 1000

const folder = await install('development')
const bin = join(folder, 'node_modules/.bin')

interface Tool {
  command: string
  package?: string
  /** What the shell shows after Ctrl-C. */
  code: number
  /** What it may show after a second one: tsx kills the service that has it already. */
  codesOfTwo: number[]
  /** Milliseconds until that has ended the service. @default 300 */
  longestOfTwo?: number
}

const tools: Record<string, Tool> = {
  'node --watch': { command: `${process.execPath} --watch server.js`, code: 0, codesOfTwo: [130] },
  'tsx watch': { command: `${bin}/tsx watch server.ts`, package: 'tsx', code: 0, codesOfTwo: [0, 130] },
  nodemon: { command: `${bin}/nodemon server.js`, package: 'nodemon', code: 130, codesOfTwo: [130] },
  'fastify-cli --watch': {
    command: `${bin}/fastify start --watch -l info -a 127.0.0.1 app.js`,
    package: 'fastify-cli',
    code: 130,
    codesOfTwo: [130],
    // It is gone with the first one, and the service, which no other one reaches, a second later.
    longestOfTwo: 600
  },
  'vite-node --watch': {
    command: `${bin}/vite-node --watch server.ts`, package: 'vite-node', code: 0, codesOfTwo: [130]
  }
}

/** What tsx and vite-node run. What has to be closed before the process runs a file anew, vite-node cannot know. */
const typescript = `import Fastify, { type FastifyInstance } from 'fastify'
import app from './app.js'

const fastify: FastifyInstance = Fastify({ logger: true })
await fastify.register(app)
await fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
import.meta.hot?.on('vite:beforeFullReload', () => fastify.close())
`

/** What a client of the old service has to see. */
type Client = (port: number) => Promise<() => Promise<unknown>>

const clients: Record<string, { open: Client, sees: unknown }> = {
  nobody: { open: async () => async () => undefined, sees: undefined },
  'a kept connection': {
    async open (port) {
      const agent = new Agent({ keepAlive: true })
      await read(port, '/', agent)
      return async () => agent.destroy()
    },
    sees: undefined
  },
  'an event stream': {
    async open (port) {
      const [response] = await once(get({ port, host: '127.0.0.1', path: '/events' }), 'response')
      await once(response.on('error', () => {}), 'data')
      const closed = new Promise((resolve) => { response.resume().once('close', resolve) })
      return async () => closed.then(() => response.complete ? 'ended' : 'reset')
    },
    sees: 'ended'
  },
  'a WebSocket': {
    async open (port) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/feed`)
      const closed = new Promise((resolve) => { socket.on('error', () => {}).once('close', resolve) })
      await once(socket, 'message')
      return async () => closed
    },
    sees: 1001
  },
  'a request in flight': {
    async open (port) {
      const asked = read(port, '/slow')
      const answer = asked.catch((error: Error) => error.message)
      const refused = await Promise.race([asked.then(() => undefined, (error: unknown) => error), sleep(50)])
      if (refused instanceof Error) throw refused
      return async () => answer
    },
    sees: 'whole'
  }
}

/** A tool may start the service twice for one edit, which is nowhere for a moment then: that is not what is tried. */
async function openWhereServed (port: number, open: Client): Promise<() => Promise<unknown>> {
  for (const end = Date.now() + 20_000; ; await sleep(20)) {
    try {
      return await open(port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || Date.now() > end) throw error
    }
  }
}

function read (port: number, path: string, agent: Agent | false = false): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
        .on('end', () => resolve(text)).on('error', reject)
    }).on('error', reject)
  })
}

/** Asks until the answer is this one. @throws Error with all that the terminal shows */
async function untilAnswer (terminal: Terminal, port: number, answer: string, again: () => void): Promise<void> {
  let since = Date.now()
  for (const end = since + 20_000; Date.now() < end; await sleep(5)) {
    const seen = await read(port, '/').catch(() => undefined)
    if (seen === answer) return
    // A watcher that has just begun does not see what changes at once.
    if (seen === undefined) since = Date.now()
    else if (Date.now() - since > 2500) {
      again()
      since = Date.now()
    }
  }
  throw new Error(`no ${answer}:\n${terminal.output}`)
}

interface Watched {
  terminal: Terminal
  port: number
  /** Runs the tool, and waits until the service answers. */
  run: () => Promise<void>
  /** Edits the service, and waits until it is served. */
  edit: () => Promise<Stopwatch>
  clock: () => Stopwatch
}

/** Makes a folder with the service, and answers what edits it. */
function prepare (own: string): (answer: string) => void {
  mkdirSync(own, { recursive: true })
  for (const file of ['package.json', 'app.js', 'server.js']) cpSync(join(folder, file), join(own, file))
  writeFileSync(join(own, 'server.ts'), typescript)
  return (answer) => writeFileSync(join(own, 'answer.js'), `export const answer = '${answer}'\n`)
}

/** Opens a terminal for a tool. */
async function watch (t: Test, tool: string): Promise<Watched> {
  const own = join(folder, 'runs', tool.replace(/\W+/g, '-'))
  const write = prepare(own)
  let edits = 0
  const port = await claimPort()
  const terminal = new Terminal(own, { PORT: String(port) })
  t.teardown(async () => terminal.close())
  await terminal.open()
  const clock = (): Stopwatch => new Stopwatch(terminal.pid, process.pid)
  return {
    terminal,
    port,
    clock,
    async run () {
      // Where the tool is gone before the service is, the port is not free yet.
      while (await read(port, '/').catch(() => undefined) !== undefined) await sleep(5)
      write(String(edits))
      terminal.type(`${tools[tool]!.command}\n`)
      await untilAnswer(terminal, port, String(edits), () => {})
    },
    async edit () {
      edits++
      const watch = clock()
      const again = (): void => {
        watch.restart()
        write(String(edits))
      }
      again()
      await untilAnswer(terminal, port, String(edits), again)
      return watch.stop()
    }
  }
}

const all = Object.entries(clients)

for (const [tool, { package: name, code, codesOfTwo, longestOfTwo = 300 }] of Object.entries(tools)) {
  const version = name === undefined ? process.version : versionOf(folder, name)
  // Scenario (Signals and exit): `node --watch`, tsx, nodemon, fastify-cli and vite-node at a terminal: edits and Ctrl-C
  // with nobody there, a kept connection, an event stream, a WebSocket, and a request in flight
  t.test(`an edit is served, and Ctrl-C gives the prompt back, within a second: ${tool} ${version}`, async (t) => {
    const { terminal, port, run, edit, clock } = await watch(t, tool)
    await run()
    for (const [client, { open, sees }] of all) {
      const seen = await openWhereServed(port, open)
      const edited = await edit()
      const output = terminal.output.slice(-6000)
      inTime(t, edited, [0, longest], `${client}: the edit was served after`, { output })
      t.same(await seen(), sees, `${client} saw the end of the old one`)
      t.comment(`${client}: ${Math.round(edited.time)} ms, ${Math.round(edited.late)} ms late`)
    }

    const seen = await Promise.all(all.map(async ([, { open }]) => openWhereServed(port, open)))
    const interrupted = clock()
    const code1 = await terminal.interrupt()
    interrupted.stop()
    inTime(t, interrupted, [0, longest], 'the prompt was back after', { output: terminal.output.slice(-6000) })
    t.equal(code1, code, 'the exit code')
    const saw = await Promise.all(seen.map((one) => one()))
    const holds = isDeepStrictEqual(saw, all.map(([, { sees }]) => sees))
    unlessLate(t, holds, `the clients saw ${JSON.stringify(saw)}`, interrupted.late, longest)
    t.comment(`Ctrl-C: ${Math.round(interrupted.time)} ms, ${Math.round(interrupted.late)} ms late`)

    await run()
    const never = read(port, '/never').catch((error: Error & { code?: string }) => error.code)
    await sleep(50)
    // The clock finds the service as a child of its tool, which the first Ctrl-C may end.
    const again = clock()
    const first = terminal.interrupt()
    await sleep(600)
    again.restart()
    void terminal.interrupt()
    const code2 = await first
    t.equal(await never, 'ECONNRESET')
    again.stop()
    inTime(t, again, [0, longestOfTwo], 'a second Ctrl-C ends it after', { output: terminal.output.slice(-6000) })
    t.ok(codesOfTwo.includes(code2), `and the exit code is ${code2}`)
  })
}

// Scenario (Signals and exit): `tsx server.ts`: SIGTERM to tsx with a request in flight
t.test('tsx without watch passes the signal on, and the request in flight is answered', async (t) => {
  const own = join(folder, 'runs', 'plain')
  prepare(own)('first')
  const service = await start({
    folder: own,
    command: ['node', join(folder, 'node_modules/tsx/dist/cli.mjs'), 'server.ts']
  })
  const answer = read(service.port, '/slow').catch(({ message }: Error) => message)
  await service.waitFor(/"url":"\/slow".*incoming request/)
  const watch = new Stopwatch(service.pid)
  service.kill('SIGTERM')
  const [seen, { code, signal }] = await Promise.all([answer, service.exited])
  // It kills a service of which it has not heard within 60 ms that the signal has come.
  const isPassedOn = seen === 'whole' && code === 0 && signal === null
  unlessLate(t, isPassedOn, `answered: ${seen}, exit code ${code}, signal ${signal}`, watch.stop().late, 15)
})

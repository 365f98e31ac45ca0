import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { claimPort } from '../../lib/drill/processes.ts'
import { fork } from './fork.ts'
import type { Result } from './fork.ts'

const cli = createRequire(import.meta.url).resolve('fastify-cli/cli.js')
const fixture = fileURLToPath(new URL('fixtures/cli-app.js', import.meta.url))

interface Ended { result: Result, answer: string }

/** Starts an application with `fastify start`, and ends it in the midst of a request of 1.2 s. */
async function start (signal: NodeJS.Signals, ...options: string[]): Promise<Ended> {
  // It takes 0 for its default.
  const port = String(await claimPort())
  // What `fork` adds comes behind `--`, where fastify-cli takes options of the application.
  const child = fork('cli-app.js', {
    node: [cli, 'start', '-l', 'info', '-a', '127.0.0.1', '-p', port, ...options, fixture, '--']
  })
  const [, address] = await child.waitForLine(/Server listening at (http:\/\/127\.0\.0\.1:\d+)/)
  const answer = fetch(`${address}/slow`).then(async (response) => response.text(), (error: Error) => error.message)
  await child.waitForLine(/slow begins/)
  child.kill(signal)
  return { result: await child.result, answer: await answer }
}

t.test('fastify-cli', async (t) => {
  // Scenario (Several applications and other packages): Under fastify-cli
  await t.test('with a delay longer than the grace period loses nothing', async (t) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { result: [code, killedBy, output], answer } = await start(signal, '-g', '40000')
      t.equal(answer, 'slow')
      t.same([code, killedBy], [0, null], output)
      t.match(output, /draining -> terminated/)
      t.match(output, /onClose[^]*"event":"graceful\.report".*"verdict":"clean"/)
      t.match(output, /somebody else listens for the signals/, 'and its listeners are named at boot')
    }
  })

  // Scenario, too: Under fastify-cli
  await t.test('as it comes loses nothing either', async (t) => {
    const { result: [code, killedBy, output], answer } = await start('SIGTERM')
    t.equal(answer, 'slow')
    t.same([code, killedBy], [0, null], output)
    for (const line of [/draining -> terminated/, /^onClose$/m, /"event":"graceful\.report".*"verdict":"clean"/]) {
      t.match(output, line)
    }
  })
})

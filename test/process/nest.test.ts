import t from 'tap'
import type { Test } from 'tap'
import { fork, listening } from './fork.ts'

interface Ended { code: number | null, signal: NodeJS.Signals | null, output: string, answer: string }

/** Ends a service of Nest's in the midst of a request. */
async function end (t: Pick<Test, 'teardown'>, given: object): Promise<Ended> {
  const child = fork('nest.js', { given })
  t.teardown(() => child.kill('SIGKILL'))
  const address = await listening(child)
  const answer = fetch(`${address}/held`).then(async (response) => response.text(), (error: Error) => error.message)
  await child.waitForLine(/held begins/)
  child.kill('SIGTERM')
  const [code, signal, output] = await child.result
  return { code, signal, output, answer: await answer }
}

// Scenario (Several applications and other packages): With Nest
t.test("with closeWith Nest's hooks run after the last request, each once", async (t) => {
  const { code, signal, output, answer } = await end(t, { closeWith: true })
  t.equal(answer, 'held')
  t.same([code, signal], [0, null], output)
  t.match(
    output,
    /held ends[^]*onModuleDestroy with 0 in flight[^]*beforeApplicationShutdown with 0 in flight[^]*onApplicationShutdown with 0 in flight[^]*"verdict":"clean"/
  )
  for (const hook of ['onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown', 'closeWith 1']) {
    t.equal(output.split(`\n${hook}`).length, 2, hook)
  }
  t.notMatch(output, 'somebody else listens for the signals')
})

t.test('without it they do not run', async (t) => {
  const { code, output, answer } = await end(t, {})
  t.equal(answer, 'held')
  t.equal(code, 0, output)
  t.match(output, '"verdict":"clean"')
  t.notMatch(output, 'onModuleDestroy')
  t.notMatch(output, 'onApplicationShutdown')
})

t.test(
  "with Nest's own shutdown hooks they run after the last request, each once, and its close is that of phase 4",
  async (t) => {
    const { code, signal, output, answer } = await end(t, { closeWith: true, shutdownHooks: true })
    t.equal(answer, 'held')
    t.same([code, signal], [0, null], output)
    t.match(output, 'somebody else listens for the signals', 'named at boot')
    t.match(
      output,
      /held ends[^]*onModuleDestroy with 0 in flight[^]*beforeApplicationShutdown with 0 in flight[^]*onApplicationShutdown with 0 in flight[^]*"verdict":"clean"/
    )
    for (const hook of ['onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown']) {
      t.equal(output.split(`\n${hook}`).length, 2, hook)
    }
    t.notMatch(output, 'closeWith 1', 'closed already')
    t.notMatch(output, 'capped at 1 s', 'the signal that Nest raises again is no second one')
  }
)

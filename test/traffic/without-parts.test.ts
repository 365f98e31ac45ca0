import t from 'tap'
import { failuresOf, runWithout } from './parts.ts'
import type { Run } from './parts.ts'

/** Parts, with the files that lean most on each; `npm run parts` tries all parts with all files. */
const leaning: ReadonlyArray<[part: string, file: string]> = [
  ['_httpMessage', 'requests.test.ts'],
  ['_storeHeader', 'requests.test.ts'],
  ['_header', 'requests.test.ts'],
  ['parser', 'listeners.test.ts'],
  ['fastify.hooks', 'listeners.test.ts'],
  ['fastify.context', 'requests.test.ts'],
  ['fastify.reply.hijacked', 'request-hook.test.ts'],
  ['_readableState', 'cut-streams.test.ts'],
  ['httpAllowHalfOpen', 'cut-streams.test.ts'],
  ['setMaxListeners', 'session-notice.test.ts']
]

/** Half of them at a time: they wait more than they compute. */
let [one, other]: Array<Promise<Run | undefined>> = [Promise.resolve(undefined), Promise.resolve(undefined)]

for (const [part, file] of leaning) {
  const begun = one!.then(async () => runWithout(part, file))
  ;[one, other] = [other, begun]
  // Scenario (Connections): A Node or Fastify without one of the private parts that are used
  t.test(`a service without the private part ${part}`, async (t) => {
    t.strictSame(failuresOf(await begun), [], `${file}: what is so with the part is so without it`)
  })
}

t.test('a look for the parts that fails keeps no service from its start', async (t) => {
  const { code, output } = await runWithout('nothing', 'fixtures/wrapped-reply.js')
  t.equal(code, 0, output)
  t.match(output, /^served all the same$/m)
  t.match(output, /"graceful\.internals".*could not be looked for: not a connection of ours/)
})

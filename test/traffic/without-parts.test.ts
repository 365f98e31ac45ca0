import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'

const run = promisify(execFile)
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Parts, with the file of this folder that runs without each; all are in `missing-parts.test.ts`. */
const parts: Readonly<Record<string, string>> = {
  _httpMessage: 'requests.test.ts',
  _storeHeader: 'requests.test.ts',
  _header: 'requests.test.ts',
  parser: 'listeners.test.ts',
  'fastify.hooks': 'listeners.test.ts',
  'fastify.context': 'requests.test.ts'
}

/** Runs a program of this folder without a part; answers its exit code and what it wrote. */
async function without (part: string, ...program: string[]): Promise<{ code: number, output: string }> {
  const strip = path('../support/strip-types.js')
  const take = path('../support/without-part.js')
  const command = [...cleanEnv, `WITHOUT_PART=${part}`, process.execPath, '--import', strip, '--import', take, ...program]
  try {
    const { stdout, stderr } = await run('env', command, { maxBuffer: 64 << 20 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number, stdout: string, stderr: string }
    return { code, output: stdout + stderr }
  }
}

/** Half of them at a time: they wait more than they compute. */
let [one, other]: Array<Promise<unknown>> = [Promise.resolve(), Promise.resolve()]

for (const [part, file] of Object.entries(parts)) {
  const begun = one!.then(async () => without(part, path(file)))
  ;[one, other] = [other, begun]
  // Scenario (Connections): A Node or Fastify without one of the private parts that are used
  t.test(`a service without the private part ${part}`, async (t) => {
    const { code, output } = await begun
    const failed = stripVTControlCharacters(output).split('\n').filter((line) => /^ *not ok/.test(line))
    t.strictSame([code, failed], [0, []], `${file}: what is so with the part is so without it`)
  })
}

t.test('a look for the parts that fails keeps no service from its start', async (t) => {
  const { code, output } = await without('nothing', path('fixtures/wrapped-reply.js'))
  t.equal(code, 0, output)
  t.match(output, /^served all the same$/m)
  t.match(output, /"graceful\.internals".*could not be looked for: not a connection of ours/)
})

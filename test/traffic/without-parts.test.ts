import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'

const run = promisify(execFile)
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The parts, with what is said of each that is missing, and the file of this folder that runs without it. */
const parts: Readonly<Record<string, [said: string, file: string]>> = {
  _httpMessage: ['_httpMessage (each reply is followed from the beginning)', 'requests.test.ts'],
  _storeHeader: ['_storeHeader (writeHead is wrapped', 'requests.test.ts'],
  _header: ['_header (no "Connection: close" is taken back', 'requests.test.ts'],
  parser: ['parser (each upgraded connection is noted)', 'listeners.test.ts'],
  'fastify.hooks': ['fastify.hooksMissing (preClose hooks are run by Fastify', 'listeners.test.ts']
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

for (const [part, [said, file]] of Object.entries(parts)) {
  const begun = one!.then(async () => without(part, path(file)))
  ;[one, other] = [other, begun]
  // Scenario (Connections): A Node or Fastify without one of the private parts that are used
  t.test(`a service without the private part ${part}`, async (t) => {
    const { code, output } = await begun
    const failed = stripVTControlCharacters(output).split('\n').filter((line) => /^ *not ok/.test(line))
    t.strictSame([code, failed], [0, []], `${file}: what is so with the part is so without it`)
    const told = await without(part, path('fixtures/listening.js'))
    const lines = told.output.split('\n').filter((line) => line.includes('graceful.internals'))
    t.equal(lines.length, 1, 'one line')
    t.ok(lines[0]?.includes(JSON.stringify(said).slice(1, -1)), lines.join('\n'))
    t.ok(lines[0]?.includes(`Node ${process.versions.node} with Fastify`), 'with the versions')
  })
}

t.test('with all parts nothing is said', async (t) => {
  const { code, output } = await without('nothing', path('fixtures/listening.js'))
  t.strictSame([code, output.includes('graceful.internals')], [0, false], output)
})

t.test('a look for the parts that fails keeps no service from its start', async (t) => {
  const { code, output } = await without('nothing', path('fixtures/wrapped-reply.js'))
  t.equal(code, 0, output)
  t.match(output, /^served all the same$/m)
  t.match(output, /"graceful\.internals".*could not be looked for: not a connection of ours/)
})

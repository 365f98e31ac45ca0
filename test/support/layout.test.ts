import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const layout = fileURLToPath(new URL('layout.js', import.meta.url))

/** What the linter objects to in a folder of these files. */
async function objections (folder: string, files: Record<string, string>): Promise<string[]> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [layout, folder], (error, _stdout, stderr) => {
      const lines = stderr.split('\n').filter((line) => line !== '').map((line) => line.replace(`${folder}/`, ''))
      t.equal(error?.code ?? 0, lines.length === 0 ? 0 : 1)
      resolve(lines)
    })
  })
}

const util = 'room/file.ts imports node:util, which opens standard streams: use util/node-util.ts'
const ofProcess = "room/file.ts imports node:process, which opens standard streams: use the global 'process'"
const ofAssert = 'room/file.ts imports node:assert/strict, which opens standard streams: use something else'

const cases: Array<[name: string, text: string, objections: string[]]> = [
  ['a name of node:util', "import { inspect } from 'node:util'\n", [util]],
  ['over several lines', "import {\n  inspect,\n  types\n} from 'node:util'\n", [util]],
  ['the namespace', "import * as util from 'node:util'\n", [util]],
  ['the default', "import util from 'node:util'\n", [util]],
  ['types among names', "import { inspect, type InspectOptions } from 'node:util'\n", [util]],
  ['nothing of it', "import 'node:util'\n", [util]],
  ['handed on', "export { inspect } from 'node:util'\n", [util]],
  ['without its scheme', "import { inspect } from 'util'\n", [util]],
  ['later', "const { inspect } = await import('node:util')\n", [util]],
  ['node:process', "import process from 'node:process'\n", [ofProcess]],
  ['node:assert/strict', "import { ok } from 'node:assert/strict'\n", [ofAssert]],
  ['both', "import { inspect } from 'node:util'\nimport { env } from 'node:process'\n", [util, ofProcess]],
  ['types alone', "import type { InspectOptions } from 'node:util'\nimport type * as Util from 'node:util'\n", []],
  ['a comment', "// import { inspect } from 'node:util'\n/** `import('node:util')` */\n", []],
  ['what Fastify loads itself', "import { createServer } from 'node:http'\n", []],
  ['a text', "export const name: string = 'util'\n", []],
  ['another module', "import { isUtf8 } from 'node:buffer'\nimport { promisify } from './util.ts'\n", []],
  ['without an import', "const { inspect } = process.getBuiltinModule('node:util')\n", []]
]

t.test('a module of Node whose import opens standard streams', async (t) => {
  t.jobs = 4
  for (const [name, text, expected] of cases) {
    void t.test(name, async (t) => t.strictSame(await objections(t.testdir(), { 'room/file.ts': text }), expected))
  }
})

t.test('what is loaded before a service leaves standard error alone', async (t) => {
  const child = "import type { Server } from 'node:http'\nimport { one } from '../parts.ts'\n"
  const parts = "import { connect } from 'node:http2'\nexport const one: unknown = connect\n"
  const files = { 'supervisor/child/index.ts': child, 'supervisor/parts.ts': parts, 'supervisor/other.ts': parts }
  t.strictSame(await objections(t.testdir(), files), [
    'supervisor/parts.ts imports node:http2, which opens standard error, and is loaded before a service'
  ])
})

import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { unpacked } from '../../lib/build.ts'
import { cleanEnv } from '../support/clean-env.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const run = async (...command: string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)('env', [...cleanEnv, ...command], { cwd: root, maxBuffer: 16 << 20 })
  return stdout.trim()
}

/** In bytes, unpacked. */
const mostBytes = 700_000
/** What several ways in have in common comes and goes. */
const isChunk = (path: string): boolean => /^dist\/chunk-[\w-]+\.js$/.test(path)
const expected = [
  'LICENSE', 'README.md', 'package.json',
  'dist/index.js', 'dist/process/early.js', 'dist/supervisor/index.js', 'dist/supervisor/worker.js', 'dist/cli/index.js',
  'dist/index.d.ts', 'dist/process/early.d.ts', 'dist/supervisor/index.d.ts'
]
/** The declarations of each way in, and the report of them. */
const faces = { index: 'dist/index.d.ts', signals: 'dist/process/early.d.ts', supervisor: 'dist/supervisor/index.d.ts' }

/** Declarations without what is said about them. */
function faceOf (declarations: string): string {
  const text = declarations.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
    .replace(/^export \{ (.+) \};$/m, (_line, names: string) => `export {\n  ${names.replaceAll(', ', ',\n  ')}\n};`)
  return `${text.split('\n').map((line) => line.trimEnd()).filter((line) => line !== '').join('\n')}\n`
}

// Scenario (Foreign parties): What the package holds, its size, its ways in by `import` and `require`, and its public
// face
t.test('the package holds its code, its types, and little else', async (t) => {
  const [{ files, unpackedSize }] = JSON.parse(await run('npm', 'pack', '--dry-run', '--ignore-scripts', '--json')) as
    [{ files: Array<{ path: string }>, unpackedSize: number }]
  const paths = files.map(({ path }) => path)
  t.same(paths.filter((path) => !isChunk(path)).toSorted(), expected.toSorted())
  t.ok(paths.length <= 60, `${paths.length} files`)
  t.ok(unpackedSize <= mostBytes, `${unpackedSize} bytes`)
})

// Scenario, too: What the package holds…
t.test('the code has the version, and looks for nothing beside it', async (t) => {
  const files = (await run('find', 'dist', '-name', '*.js')).split('\n')
  const { version } = JSON.parse(read('package.json')) as { version: string }
  t.ok(files.some((file) => new RegExp(`const \\w+=["'\`]${version}["'\`]`).test(read(file))))
  // The file of a supervisor's children alone.
  t.equal(files.map((file) => read(file).match(/import\.meta/g)?.length ?? 0).reduce((sum, count) => sum + count), 1)
  t.notOk(files.some((file) => /sourceMappingURL|\bbuilt(?:Version|Thread)\b/.test(read(file))))
})

// Scenario, too: What the package holds…
t.test('the program of the thread, and the script of the page, are in the code, packed', async (t) => {
  const texts = new URL('../../rolldown.texts.js', import.meta.url).href
  const { packed, pageText, threadText } = await import(texts) as
    { packed: (text: string) => string } & Record<'pageText' | 'threadText', () => Promise<string>>
  const [script, program] = await Promise.all([pageText(), threadText()])
  t.match(program, 'sourceURL=fastify-graceful/watchdog/thread.js')
  t.match(read('dist/index.js'), packed(program))
  t.match(read('dist/chunk-page.js'), packed(script))
  t.equal(unpacked(packed(`${script} \u2713`)), `${script} \u2713`)
})

// Scenario, too: What the package holds…
t.test('every change of the public face is seen', async (t) => {
  for (const [name, file] of Object.entries(faces)) {
    const report = `api/${name}.d.ts`
    const face = faceOf(read(file))
    if (process.env['UPDATE_API'] === '1') writeFileSync(join(root, report), face)
    t.equal(face, read(report), `${report} is what the code exports; where the change is wanted: npm run api`)
  }
})

// Scenario, too: What the package holds…
t.test('each way in can be imported, and required', async (t) => {
  const ways = { '': 'function function', '/signals': 'undefined undefined', '/supervisor': 'undefined function' }
  for (const [way, kinds] of Object.entries(ways)) {
    const look = 'console.log(typeof way.default, typeof (way.supervise ?? way.fastifyGraceful))'
    const imported = `const way = await import('fastify-graceful${way}'); ${look}`
    t.equal(await run('node', '--input-type=module', '--eval', imported), kinds, `import ${way}`)
    const required = `const way = require('fastify-graceful${way}'); ${look}`
    t.equal(await run('node', '--eval', required), kinds, `require ${way}`)
  }
})

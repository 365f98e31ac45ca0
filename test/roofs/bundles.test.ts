import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'
import { install, versionOf } from './support/install.ts'
import { proveEnds } from './support/program.ts'

t.setTimeout(300_000)
t.jobs = 2

const execute = promisify(execFile)
const folder = await install('bundles')
const bin = (name: string): string => join(folder, 'node_modules/.bin', name)
const run = async (cwd: string, ...command: string[]): Promise<void> => {
  await execute('env', [...cleanEnv, ...command], { cwd, maxBuffer: 64 << 20 })
}
const binary = process.execPath
/** Dependencies of Fastify are CommonJS, and in a bundle of ES modules they look for this. */
const banner = `--banner:js=${[
  "import { createRequire as makeRequire } from 'node:module'",
  'const require = makeRequire(import.meta.url)'
].join(';')};`
const common = ['service.js', '--bundle', '--platform=node', '--log-level=error']

/** A file alone in a folder, below a package.json of somebody else's where one is given. */
function alone (name: string, file: string, manifest?: object): string {
  const outer = join(folder, 'alone', name)
  const inner = join(outer, 'app')
  mkdirSync(inner, { recursive: true })
  if (manifest !== undefined) writeFileSync(join(outer, 'package.json'), JSON.stringify(manifest))
  cpSync(join(folder, file), join(inner, file.split('/').at(-1)!))
  return inner
}

/** Each is made alone: two bundlers at once would slow the services that are proved meanwhile. */
const out = join(folder, 'out')
const rollupPlugins = ['node-resolve={preferBuiltins:true}', 'commonjs', 'json'].flatMap((name) => ['--plugin', name])
const seaConfig = { main: 'out/cjs.cjs', output: 'out/sea.blob', disableExperimentalSEAWarning: true }
mkdirSync(out)
writeFileSync(join(folder, 'sea.json'), JSON.stringify(seaConfig))
await run(folder, bin('esbuild'), ...common, '--format=esm', banner, '--outfile=out/esm.mjs')
await run(folder, bin('esbuild'), ...common, '--format=cjs', '--minify', '--keep-names', '--outfile=out/cjs.cjs')
await run(folder, bin('ncc'), 'build', 'service.js', '--out', 'out/ncc', '--quiet')
const rollupOptions = ['--file', 'out/rollup.mjs', '--format', 'es', '--silent', '--inlineDynamicImports']
await run(folder, bin('rollup'), 'service.js', ...rollupOptions, ...rollupPlugins)
await run(folder, process.execPath, '--experimental-sea-config', 'sea.json')

// Scenario (Foreign parties): One file of esbuild, ncc and rollup, and a single executable: it serves, ends in order,
// and is ended where its event loop hangs
t.test('one file of esbuild, as an ES module', async (t) => {
  t.comment(`esbuild ${versionOf(folder, 'esbuild')}`)
  await proveEnds(t, { folder: alone('esm', 'out/esm.mjs'), command: [binary, 'esm.mjs'] })
})

// Scenario, too: One file of esbuild, ncc and rollup…
t.test('one file of esbuild, minified, as CommonJS, below a package.json of another version', async (t) => {
  const manifest = { name: 'somebody-else', version: '9.9.9', type: 'module' }
  await proveEnds(t, { folder: alone('cjs', 'out/cjs.cjs', manifest), command: [binary, 'cjs.cjs'] })
})

// Scenario, too: One file of esbuild, ncc and rollup…
t.test('one file of ncc', async (t) => {
  t.comment(`ncc ${versionOf(folder, '@vercel/ncc')}`)
  cpSync(join(folder, 'out/ncc'), join(folder, 'alone/ncc'), { recursive: true })
  await proveEnds(t, { folder: join(folder, 'alone/ncc'), command: [binary, 'index.js'] })
})

// Scenario, too: One file of esbuild, ncc and rollup…
t.test('one file of rollup', async (t) => {
  t.comment(`rollup ${versionOf(folder, 'rollup')}`)
  await proveEnds(t, { folder: alone('rollup', 'out/rollup.mjs'), command: [binary, 'rollup.mjs'] })
})

// Scenario, too: One file of esbuild, ncc and rollup…
t.test('a single executable of Node', async (t) => {
  t.comment(`Node ${process.versions.node}`)
  const program = join(folder, 'alone/executable/service')
  mkdirSync(dirname(program), { recursive: true })
  copyFileSync(process.execPath, program)
  chmodSync(program, 0o755)
  const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
  const injected = [program, 'NODE_SEA_BLOB', 'out/sea.blob', '--sentinel-fuse', fuse]
  await run(folder, process.execPath, 'node_modules/postject/dist/cli.js', ...injected)
  await proveEnds(t, { folder: dirname(program), command: [program] })
})

// Scenario (Foreign parties): The package through links that stay links, from a zip of Yarn and the store of pnpm
t.test('a symbolic link to the package, which stays one', async (t) => {
  const project = join(folder, 'alone/links')
  mkdirSync(join(project, 'node_modules'), { recursive: true })
  cpSync(join(folder, 'service.js'), join(project, 'service.mjs'))
  await run(project, 'sh', '-c', 'ln -s ../../../node_modules/* node_modules/')
  const flags = ['--preserve-symlinks', '--preserve-symlinks-main']
  await proveEnds(t, { folder: project, command: [binary, ...flags, 'service.mjs'] })
})

// Scenario, too: One file of esbuild, ncc and rollup…
t.test('a bundled supervisor says what it needs', async (t) => {
  for (const format of ['esm', 'cjs']) {
    const name = `supervisor.${format === 'esm' ? 'mjs' : 'cjs'}`
    const options = [...common.slice(1), `--format=${format}`, ...format === 'esm' ? [banner] : []]
    await run(folder, bin('esbuild'), 'supervisor.js', ...options, `--outfile=out/${name}`)
    const cwd = alone('supervisor', `out/${name}`)
    const { stdout } = await execute('env', [...cleanEnv, process.execPath, name], { cwd })
    t.match(stdout, /^FST_GRACEFUL_SUPERVISOR .*worker\.js beside it, got a bundle .*: leave the package out/, format)
  }
})

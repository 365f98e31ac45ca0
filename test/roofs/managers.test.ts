import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'
import { install, pack, versionOf } from './support/install.ts'
import { proveEnds, proveSupervised } from './support/program.ts'

t.setTimeout(300_000)

const execute = promisify(execFile)
const folder = await install('managers')
const tarball = await pack()
const { stdout: registry } = await execute('env', [...cleanEnv, 'npm', 'config', 'get', 'registry'])
const run = async (cwd: string, ...command: string[]): Promise<void> => {
  const server = registry.trim().replace(/\/$/, '')
  const settings = [`YARN_NPM_REGISTRY_SERVER=${server}`, 'YARN_ENABLE_IMMUTABLE_INSTALLS=false']
  await execute('env', [...cleanEnv, ...settings, process.execPath, ...command], { cwd, maxBuffer: 64 << 20 })
}

/** A project that has the service, and depends on Fastify and the packed plugin. */
function makeProject (name: string, files: Record<string, string> = {}): string {
  const project = join(folder, 'projects', name)
  mkdirSync(project, { recursive: true })
  cpSync(tarball, join(project, 'plugin.tgz'))
  cpSync(fileURLToPath(new URL('bundles/service.js', import.meta.url)), join(project, 'service.js'))
  const dependencies = { fastify: '5.12.8', 'fastify-graceful': 'file:./plugin.tgz' }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name, private: true, type: 'module', dependencies }))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text)
  return project
}

// Scenario, too: The package through links that stay links…
t.test("Yarn 4, Plug'n'Play: the package is read out of its zip", async (t) => {
  t.comment(`Yarn ${versionOf(folder, '@yarnpkg/cli-dist')}`)
  const project = makeProject('pnp', {
    'yarn.lock': '',
    '.yarnrc.yml': [
      'nodeLinker: pnp', 'pnpFallbackMode: none', 'enableGlobalCache: false', 'enableTelemetry: false',
      'enableScripts: false', ''
    ].join('\n'),
    'supervisor.js': [
      "import { supervise } from 'fastify-graceful/supervisor'",
      "await supervise({ script: 'service.js', workers: 2, gracePeriod: 10_000 })", ''
    ].join('\n')
  })
  await run(project, join(folder, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js'), 'install')
  t.notOk(existsSync(join(project, 'node_modules')), 'there is no node_modules')
  const loaders = ['--require', './.pnp.cjs', '--no-warnings', '--loader', './.pnp.loader.mjs']
  await proveEnds(t, { folder: project, command: [process.execPath, ...loaders, 'service.js'] })
  // What each child loads first is a file of the package, and in the zip, too.
  await proveSupervised(t, { folder: project, command: [process.execPath, ...loaders, 'supervisor.js'] })
})

// Scenario, too: The package through links that stay links…
t.test('pnpm: the package is a link into its store', async (t) => {
  t.comment(`pnpm ${versionOf(folder, 'pnpm')}`)
  const project = makeProject('pnpm', { 'pnpm-workspace.yaml': 'packages: []\n' })
  const pnpm = join(folder, 'node_modules/pnpm/bin/pnpm.cjs')
  await run(project, pnpm, 'install', '--ignore-scripts', '--store-dir', join(folder, 'store'))
  await proveEnds(t, { folder: project, command: [process.execPath, 'service.js'] })
})

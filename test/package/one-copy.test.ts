import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

// It installs from the registry, three times, in continuous integration with what other tests leave of the processors.
t.setTimeout(1_500_000)

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const inClean = async (folder: string, command: string[]): Promise<string> => {
  const { stdout } = await run('env', ['-u', 'NODE_OPTIONS', 'CI=1', ...command], {
    cwd: folder,
    timeout: 600_000,
    maxBuffer: 2 ** 24
  })
  return stdout
}

const application = `import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import graceful from 'fastify-graceful'
@Module({})
class AppModule {}
const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter())
await app.register(graceful, { closeWith: () => app.close() })
await app.listen(0)
`
const compilerOptions = {
  module: 'nodenext',
  target: 'es2023',
  strict: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  noEmit: true,
  types: []
}

/** Where the packages named fastify lie, below a `node_modules`. */
function copies (folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(({ name, parentPath }) => name === 'package.json'
      && basename(parentPath) === 'fastify' && basename(dirname(parentPath)) === 'node_modules')
    .map(({ parentPath }) => parentPath)
}

t.test('one copy of fastify beside Nest 11, so that its types fit', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-graceful-package-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [{ filename }] = JSON.parse(
    await inClean(root, ['npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder])
  ) as [{ filename: string }]
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/@types/node/package.json'), 'utf8')) as {
    version: string
  }
  const managers: Array<[name: string, command: string[]]> = [
    ['npm', ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts']],
    ['pnpm', ['npx', '-y', 'pnpm@10', 'install', '--ignore-scripts']],
    ['yarn', ['npx', '-y', 'yarn@1.22.22', 'install', '--ignore-scripts', '--ignore-engines', '--no-progress']]
  ]
  await Promise.all(managers.map(async ([name, command]) => {
    const project = join(folder, name)
    mkdirSync(project)
    const nest = Object.fromEntries(['common', 'core', 'platform-fastify'].map((part) => [`@nestjs/${part}`, '^11']))
    const dependencies = {
      ...nest,
      'reflect-metadata': '^0.2.2',
      rxjs: '^7',
      'fastify-graceful': `file:../${filename}`
    }
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ private: true, dependencies, devDependencies: { typescript: '~5.9.0', '@types/node': version } })
    )
    writeFileSync(join(project, 'main.mts'), application)
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { ...compilerOptions, types: ['node'], skipLibCheck: true },
        files: ['main.mts']
      })
    )
    await inClean(project, command)
    const found = copies(join(project, 'node_modules'))
    t.equal(found.length, 1, `${name}: ${found.join(', ')}`)
    t.equal(
      await inClean(project, [process.execPath, 'node_modules/typescript/bin/tsc'])
        .catch(({ stdout }: { stdout: string }) => stdout),
      '',
      `${name}: the types fit`
    )
  }))
})

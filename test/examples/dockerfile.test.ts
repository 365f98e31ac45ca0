// What can be said of the example image from its file. It is built and run in image.test.ts.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules, createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { lastOf, readImage, readStages } from '../e2e/kubelet/image.ts'
import type { Instruction } from '../e2e/kubelet/image.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const file = `${root}examples/Dockerfile`
const service = `${root}examples/service`
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
  engines: { node: string }
  devDependencies: Record<string, string>
}
const stages = readStages(file)
const instructions = stages.flat()
const last = stages.at(-1)!
const all = (name: string, from: Instruction[] = instructions): string[] =>
  from.filter((instruction) => instruction.name === name).map(({ argument }) => argument)

t.test('every stage begins with a supported Node, and says which', async (t) => {
  for (const from of all('FROM')) {
    const [, major] = /^node:(\d+)-[a-z]+-slim( AS [a-z]+)?$/.exec(from) ?? []
    t.ok(Number(major) >= 24 && Number(major) % 2 === 0, from)
  }
  t.match(manifest.engines.node, />=24/)
})

t.test(
  'it runs as somebody of whom a kubelet can tell that he is not root, and nothing is written after that',
  async (t) => {
    t.match(lastOf(last, 'USER'), /^[1-9]\d*:[1-9]\d*$/)
    const after = last.slice(last.findIndex(({ name }) => name === 'USER'))
    t.same(after.filter(({ name }) => ['RUN', 'COPY', 'ADD'].includes(name)), [])
    t.same(all('USER').length, 1, 'and nobody else')
  }
)

t.test('node gets the signals: an init before it, neither a shell nor npm', async (t) => {
  const { command, entrypoint } = readImage(file, service)
  t.same(entrypoint, [], 'nothing but the init')
  const [init = '', ...flags] = JSON.parse(lastOf(last, 'ENTRYPOINT')!) as string[]
  t.same([init, ...flags], ['tini', '-s', '--'], 'an init that also works where it is not PID 1')
  t.match(
    all('RUN', last).join('\n'),
    new RegExp(`apt-get install -y --no-install-recommends ${init} .*rm -rf /var/lib/apt/lists/\\*`),
    'it is installed'
  )
  t.same(command.slice(0, -1), ['node', '--import', 'fastify-graceful/signals'])
  t.ok(existsSync(createRequire(`${root}examples/`).resolve('fastify-graceful/signals')))
  t.ok(existsSync(`${service}/${command.at(-1)}`))
  t.equal(lastOf(last, 'STOPSIGNAL') ?? 'SIGTERM', 'SIGTERM')
})

t.test('all that it copies is there, and let through to the builder', async (t) => {
  const passed = readFileSync(`${file}.dockerignore`, 'utf8').split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.equal(passed.shift(), '*', 'nothing else is')
  t.ok(
    passed.every((line) => line.startsWith('!') && existsSync(`${root}${line.slice(1)}`)),
    'every exception is there',
    { passed }
  )
  const names = all('FROM').map((from) => from.split(' AS ')[1])
  const copied = new Set<string>()
  for (const copy of all('COPY')) {
    const [, stage] = /^--from=(\S+)/.exec(copy) ?? []
    if (stage !== undefined) {
      t.ok(names.includes(stage), `stage ${stage}`)
      continue
    }
    for (const source of copy.split(' ').slice(0, -1)) copied.add(source.replace(/\/$/, ''))
  }
  t.same([...copied].toSorted(), passed.map((line) => line.slice(1)).toSorted())
  t.same(all('ADD'), [])
  t.match(all('RUN')[0], /^npm ci /, 'what is built with comes from the lock file')
})

t.test('what the service imports is installed, in the versions that are tested', async (t) => {
  const sources = readdirSync(service).map((name) => readFileSync(`${service}/${name}`, 'utf8')).join('\n')
  const imported = [...sources.matchAll(/^import (?:.* from )?'([^.'\n][^'\n]*)'$/gm)]
    .map(([, name = '']) => name.replace(/^node:/, ''))
  const foreign = [...new Set(imported)].filter((name) => !builtinModules.includes(name)).toSorted()
  t.same(foreign, ['@fastify/websocket', 'fastify', 'fastify-graceful'])
  const install = all('RUN').find((run) => run.includes('npm install'))!
  for (const name of foreign) {
    if (name === 'fastify-graceful') t.match(install, '/tmp/fastify-graceful-*.tgz')
    else t.match(install, ` ${name}@${manifest.devDependencies[name]} `)
  }
})

t.test('the port is the one that service and chart have by default', async (t) => {
  t.equal(lastOf(last, 'EXPOSE'), '3000')
  t.match(readFileSync(`${service}/server.js`, 'utf8'), 'process.env.PORT ?? 3000')
  t.match(readFileSync(`${root}charts/graceful-service/values.yaml`, 'utf8'), /^containerPort: 3000$/m)
})

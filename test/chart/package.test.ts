import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { cases } from './cases.ts'
import { packageCharts } from './package.ts'
import { service } from './render.ts'
import { charts, helm, helm3 } from './tools.ts'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'graceful-packages-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

interface Chart {
  name: string
  version: string
  appVersion: string
  annotations: Record<string, unknown>
  dependencies?: Array<{ name: string, version: string }>
}

const chartOf = async (name: string): Promise<Chart> =>
  parse(await readFile(join(charts, name, 'Chart.yaml'), 'utf8')) as Chart

/** The files of a chart in the repository, relative to it. */
function filesOf (name: string): string[] {
  const root = join(charts, name)
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name: file }) => join(parentPath, file).slice(root.length + 1))
    .filter((file) => !/^(charts\/|Chart\.lock$)/.test(file))
    .toSorted()
}

const rendered = (program: typeof helm, chart: string, values: string): ReturnType<typeof helm> =>
  program(['template', 'rel', chart, '--values', '-'], values)

t.test('helm packages both charts, the library inside the application chart', async (t) => {
  const archives = await packageCharts(folder)
  t.same(archives.map((archive) => basename(archive)).toSorted(), [
    'graceful-lib-0.1.0.tgz', 'graceful-service-0.1.0.tgz'
  ])
  for (const archive of archives) await run('tar', ['-xzf', archive, '-C', folder])
  for (const [source, place] of [
    ['graceful-service', 'graceful-service'],
    ['graceful-lib', 'graceful-lib'],
    ['graceful-lib', 'graceful-service/charts/graceful-lib']
  ] as const) {
    for (const file of filesOf(source).filter((file) => !['Chart.yaml', '.helmignore'].includes(file))) {
      t.equal(
        readFileSync(join(folder, place, file), 'utf8'),
        readFileSync(join(charts, source, file), 'utf8'),
        `${place}: ${file}`
      )
    }
  }
  t.notOk(existsSync(join(charts, 'graceful-service', 'Chart.lock')), 'and leaves nothing in the repository')
  t.notOk(existsSync(join(folder, 'graceful-service', 'charts', 'graceful-lib-0.1.0.tgz')), 'no archive in the archive')
  const archive = archives.find((name) => name.includes('service')) ?? ''
  const values = JSON.stringify({ ...cases['everything'], image: { repository: 'shop' } })
  const [packaged, laid, older] = await Promise.all([
    rendered(helm, archive, values), rendered(helm, service, values), rendered(helm3, archive, values)
  ])
  t.equal(packaged.code, 0, packaged.stderr)
  t.equal(packaged.stdout, laid.stdout, 'what the other tests render is what is packaged')
  t.equal(older.code, 0, older.stderr)
  t.match((await helm(['lint', '--strict', archive, '--set', 'image.repository=shop'])).stdout, '0 chart(s) failed')
})

t.test('a clone without the library says how it is brought in', async (t) => {
  const clone = mkdtempSync(join(tmpdir(), 'graceful-clone-'))
  t.teardown(() => rmSync(clone, { recursive: true, force: true }))
  await run('cp', ['-R', `${charts}/.`, clone])
  await run('rm', ['-rf', join(clone, 'graceful-service', 'charts'), join(clone, 'graceful-service', 'Chart.lock')])
  const chart = join(clone, 'graceful-service')
  const args = ['template', 'rel', chart, '--set', 'image.repository=shop']
  t.match((await helm(args)).stderr, /helm dependency build[^]*graceful-lib/)
  for (const program of [helm, helm3]) {
    const { code, stderr } = await program(['dependency', 'build', chart])
    t.equal(code, 0, stderr)
    t.equal((await program(args)).code, 0)
    await run('rm', ['-rf', join(chart, 'charts'), join(chart, 'Chart.lock')])
  }
})

t.test('the versions agree, and Artifact Hub can read what is for it', async (t) => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as Chart
  const [application, library] = await Promise.all([chartOf('graceful-service'), chartOf('graceful-lib')])
  t.same(application.dependencies?.map(({ name, version: own }) => [name, own]), [['graceful-lib', library.version]])
  for (const chart of [application, library]) {
    t.equal(chart.appVersion, version, 'the plugin whose variables the charts set')
    for (const [name, text] of Object.entries(chart.annotations)) {
      t.type(text, 'string', `${name} is a text`)
      t.match(name, /^artifacthub\.io\/(category|license|operator|prerelease|containsSecurityUpdates|changes)$/)
    }
    t.match(chart.annotations, {
      'artifacthub.io/category': 'integration-delivery',
      'artifacthub.io/license': 'MIT',
      'artifacthub.io/prerelease': String(/^0\.|-/.test(chart.version))
    })
    const changes = parse(String(chart.annotations['artifacthub.io/changes'])) as Array<Record<string, string>>
    t.ok(changes.length > 0)
    for (const change of changes) {
      t.match(change, {
        kind: /^(added|changed|deprecated|removed|fixed|security)$/, description: /^\S.{10,}$/
      })
    }
  }
})

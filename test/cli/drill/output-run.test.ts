import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import t from 'tap'
import { parse } from 'yaml'
import { cleanEnv } from '../../support/clean-env.ts'

t.setTimeout(240_000)
const root = fileURLToPath(new URL('../../..', import.meta.url))
const service = join(root, 'test/drill/fixtures/service.js')
const docs = readFileSync(join(root, 'docs/guides/drill-result.md'), 'utf8')

interface Ended { code: number | null, out: string, err: string }

/** Runs the built command. */
async function drill (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const [program, ...before] = ['env', ...cleanEnv]
  const child = spawn(program, [...before, process.execPath, join(root, 'dist/cli/index.js'), 'drill', ...args],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, err }
}

/** Whether a text is what the schema of the documentation says. */
async function schemaProblem (given: string): Promise<string> {
  const schema = JSON.parse(readFileSync(join(root, 'docs/guides/drill-result.schema.json'), 'utf8')) as object
  const app = Fastify({ bodyLimit: 1 << 26, ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } })
  app.post('/', { schema: { body: schema } }, async () => 'valid')
  const { body } = await app.inject({ method: 'POST', url: '/', payload: given, headers: { 'content-type': 'application/json' } })
  return body === 'valid' ? '' : body
}

// Scenario (The rehearsal of an update): A whole drill with each form of its result written, with the workflow's own
// command line
t.test('the command line of the workflow in the documentation, on a service that loses requests', async (t) => {
  const folder = t.testdir()
  const yaml = /```yaml\n([^]*?)```/.exec(docs)?.[1] ?? ''
  const workflow = parse(yaml) as { on: object, jobs: { drill: { steps: Array<{ run?: string, uses?: string, with?: { path: string } }> } } }
  const { steps } = workflow.jobs.drill
  const line = steps.find(({ run }) => run?.startsWith('npx fastify-graceful drill'))?.run ?? ''
  const uploaded = steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact'))?.with?.path.trim().split(/\s+/)
  const [, , , ...args] = line.trim().split(/[\s\\]+/)
  t.equal(args.pop(), 'server.js')
  const files = args.filter((_, index) => /^--(?:json|junit|html)$/.test(args[index - 1] ?? ''))
  t.same(uploaded?.toSorted(), files.toSorted(), 'what is written is uploaded')
  const { code, out, err } = await drill(
    [...args.map((arg) => files.includes(arg) ? join(folder, arg) : arg), '--replicas', '1', '--cool-down', '100ms', service],
    { SHUTDOWN: 'plain' }
  )
  t.equal(code, 1, err)
  t.match(out, /[1-9]\d* of \d+ requests lost/)
  t.match(out, 'Register the plugin')
  const written = Object.fromEntries(files.map((name) => [name.split('.').at(-1), readFileSync(join(folder, name), 'utf8')]))
  t.equal(await schemaProblem(written['json'] ?? ''), '')
  t.not(await schemaProblem((written['json'] ?? '').replace('"version": 1', '"version": 2')), '', 'the schema can refuse')
  t.match(written['xml'], '<failure type="lost"')
  t.match(written['html'], /<h1>\d+ of \d+ requests lost<\/h1>/)
  const again = await drill([
    '--compare', join(folder, 'drill.json'), '--json', '-', '--html', join(folder, 'now.html'), '--junit',
    join(folder, 'now.xml'), '--front', '0', '--replicas', '1', '--rate', '20', '--cool-down', '100ms', service
  ], { SHUTDOWN: 'plain' })
  t.equal(await schemaProblem(again.out), '', again.err)
  const { runs, compared } = JSON.parse(again.out)
  t.equal(compared.before.lost, JSON.parse(written['json'] ?? '').runs[0].lost)
  t.equal(compared.now.lost, runs[0].lost)
  for (const name of ['now.html', 'now.xml']) t.match(readFileSync(join(folder, name), 'utf8'), /compared with .*drill\.json/i)
})

t.test('an advice that is tried: the grace period has no room for the requests', async (t) => {
  const { code, out, err } = await drill([
    '--front', '0', '--replicas', '1', '--rate', '20', '--keep-alive', '0%', '--grace', '4s', '--try-advice',
    '--json', '-', join(root, 'test/cli/drill/fixtures/slow.js')
  ])
  t.equal(code, 1, err)
  t.equal(await schemaProblem(out), '')
  const { runs, advice, trial } = JSON.parse(out) as {
    runs: Array<{ lost: number }>, advice: Array<{ cause: string, saves: number }>
    trial: { variables: Record<string, string>, record: { runs: Array<{ lost: number }> } }
  }
  t.ok(runs[0]!.lost > 0, `${runs[0]!.lost} lost`)
  t.match(advice, [{ cause: 'deadline', saves: runs[0]!.lost }])
  t.same(trial.variables, { TERMINATION_GRACE_PERIOD_SECONDS: '10' })
  t.equal(trial.record.runs[0]!.lost, 0, 'with the advice nothing is lost')
  t.match(err, 'with the advice')
  t.notMatch(out, 'replica 1 old', 'standard output has the JSON alone')
})

t.test('an advice with which the service does not start leaves what was seen without it', async (t) => {
  const { code, out, err } = await drill([
    '--front', '0', '--replicas', '1', '--rate', '20', '--keep-alive', '0%', '--grace', '4s', '--try-advice',
    '--json', '-', '--exec', 'sh', '-c',
    'test "$TERMINATION_GRACE_PERIOD_SECONDS" != 10 || exit 7; exec "$0" "$1"', process.execPath,
    join(root, 'test/cli/drill/fixtures/slow.js')
  ])
  t.equal(code, 1, err)
  t.equal(await schemaProblem(out), '')
  const { runs, trial } = JSON.parse(out) as { runs: unknown[], trial: { record?: unknown, failure: string } }
  t.equal(runs.length, 1)
  t.equal(trial.record, undefined)
  t.match(trial.failure, 'replica 1 old ended with 7')
  t.match(err, /the advice, tried[^]*replica 1 old ended with 7/)
})

t.test('what is tried is the update, and not a fault', async (t) => {
  const { code, err } = await drill(['--fault', 'second-signal', '--try-advice', service])
  t.equal(code, 64)
  t.match(err, "option '--try-advice' goes without '--fault'")
})

t.test('a file that cannot be written is told before anything is started', async (t) => {
  const { code, out, err } = await drill(['--html', '/no/such/folder/drill.html', service])
  t.same([code, out], [64, ''])
  t.match(err, "option '--html' must be a file that can be written, got '/no/such/folder/drill.html' (ENOENT)")
})

t.test('a service that does not start is an error for whoever reads JUnit XML, and leaves no other file', async (t) => {
  const folder = t.testdir({ 'boom.js': 'throw new Error("boom")' })
  const { code } = await drill(['--junit', join(folder, 'a.xml'), '--json', join(folder, 'a.json'), '--replicas', '1',
    join(folder, 'boom.js')])
  t.equal(code, 2)
  t.match(readFileSync(join(folder, 'a.xml'), 'utf8'), /<testcase name="the service starts".*<error message=/)
  t.notOk(existsSync(join(folder, 'a.json')))
})

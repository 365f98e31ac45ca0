import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { Given } from '../../../lib/cli/drill/option.ts'
import { readFault } from '../../../lib/cli/drill/settings.ts'
import type { DrillRecord, FaultName, FaultRecord } from '../../../lib/drill/index.ts'
import { faults } from '../../../lib/drill/faults.ts'
import { ensureBuilt } from '../../e2e/replicas.ts'
import { cleanEnv } from '../../support/clean-env.ts'

t.setTimeout(240_000)
ensureBuilt()

const root = fileURLToPath(new URL('../../../', import.meta.url))
const example = 'examples/service/server.js'
const service = 'test/cli/drill/fixtures/faulty.js'

interface Outcome { code: number | null, fault: FaultRecord | undefined, errors: string }

/** The command, as somebody types it: two replicas, of which one is replaced. */
function drill (fault: FaultName, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const options = [
    '--fault', fault, '--replicas', '2', '--updates', '1', '--front', '0.3', '--warm-up', '300ms',
    '--cool-down', '200ms', '--json', '-',
    // What is given twice is refused.
    ...args.includes('--rate') ? [] : ['--rate', '30'], ...args.includes('--grace') ? [] : ['--grace', '10s']
  ]
  return new Promise((resolve) => {
    const command = execFile('env',
      [...cleanEnv, process.execPath, 'dist/cli/index.js', 'drill', ...options, ...args],
      { cwd: root, maxBuffer: 64 << 20, env: { ...process.env, NODE_ENV: 'production', ...env } },
      (_error, stdout, stderr) => {
        const record = stdout === '' ? undefined : JSON.parse(stdout) as DrillRecord
        if (record !== undefined && record.fault !== fault) throw new Error(`${record.fault} in place of ${fault}`)
        resolve({ code: command.exitCode, fault: record?.runs[0]?.fault, errors: stderr })
      })
  })
}

/** A fault with what becomes of it. Without a `code` it is as expected. */
interface Case {
  fault: FaultName
  args: readonly string[]
  env?: NodeJS.ProcessEnv
  code?: number
  seen: RegExp
}

/** Several at a time: most of each is waiting. */
async function tryAll (
  test: Test, cases: readonly Case[], check: (one: Case, outcome: Outcome) => void
): Promise<void> {
  const rest = [...cases]
  await Promise.all(Array.from({ length: 3 }, async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
      const outcome = await drill(one.fault, one.args, one.env)
      const { code, fault: { met, expectations, at } = {} } = outcome
      const name = `${one.fault} ${one.env?.['SHUTDOWN'] ?? 'on the example'}`
      const told: Record<string, unknown> = { expectations, at, errors: outcome.errors.slice(-3000) }
      test.equal(code, one.code ?? 0, `${name}: its exit code`, told)
      test.equal(met, code === 0, `${name}: the code says whether all was as expected`)
      test.match(expectations?.map(({ seen }) => seen).join('; '), one.seen, `${name}: what was seen`, told)
      check(one, outcome)
    }
  }))
}

const listening = createServer((socket) => socket.on('error', () => {}).end('12')).listen(0, '127.0.0.1').unref()
await once(listening, 'listening')
const stock = (): string => `tcp://user:secret@127.0.0.1:${(listening.address() as AddressInfo).port}/shop`

const onExample = (fault: FaultName, seen: RegExp, ...args: string[]): Case =>
  ({ fault, seen, args: ['--path', '/products/1', ...args, example], env: { STOCK: stock() } })
const without = (fault: FaultName, SHUTDOWN: string, seen: RegExp, code = 0, ...args: string[]): Case =>
  ({ fault, seen, code, args: [...args, service], env: { SHUTDOWN } })
const read = (values: Record<string, string>, env = {}): unknown => readFault(new Given(Object.entries(values)), env)

// Scenario (The rehearsal of an update): Each fault on demand, on the example and on a service without the plugin: what
// is expected is seen, and what differs is a failure
t.test('each fault on the example has its expected outcome', async (t) => {
  const cases = [
    onExample('hang', /^exit 1 after \d+ ms; none$/, '--grace', '4s'),
    onExample('crash', /^exit 1 after \d+ ms; none$/),
    onExample('oom', /^SIGABRT after \d+ ms; none$/, '--grace', '20s'),
    onExample('slow-boot', /^1 new ready after (?:[3-9]|\d\d)\d{3} ms; none$/),
    onExample('boot-failure', /^1 new exit 70; 0 told; none$/),
    onExample('slow-client', /^complete, complete; 1 ended; none$/),
    onExample('half-body', /\bcut\b.*; 1 ended; none$/, '--grace', '5s'),
    onExample('second-signal', /^1 ended; none$/),
    onExample('dependency-down', /^1 ended; none$/, '--dependency', 'STOCK')
  ]
  t.same(cases.map(({ fault }) => fault).toSorted(), Object.keys(faults).toSorted())
  await tryAll(t, cases, ({ fault }, { fault: record }) => {
    t.equal(record?.usesPlugin, true)
    t.type(record?.at, 'number', `${fault} happened`)
    t.equal(record?.replica, ['hang', 'crash', 'oom'].includes(fault) ? '1 old' : undefined)
  })
})

// Scenario, too: Each fault on demand…
t.test('so has a service without the plugin, and what differs is a failure', async (t) => {
  await tryAll(t, [
    without('hang', 'close', /^SIGKILL after \d+ ms$/, 0, '--grace', '2s'),
    without('crash', 'deaf', /^exit 1 after \d+ ms$/),
    without('oom', 'deaf', /^SIGABRT after \d+ ms$/, 0, '--grace', '20s'),
    without('boot-failure', 'close', /^1 new exit 70; 0 told; none$/),
    without('half-body', 'close', /\bcut\b/, 0, '--grace', '2s'),
    without('slow-client', 'exit', /^1 ended$/, 0, '--path', '/large', '--rate', '2'),
    without('second-signal', 'deaf', /^SIGKILL for 1 old$/, 1, '--grace', '2s'),
    without('crash', 'exit', /^exit 0 after \d+ ms/, 1)
  ], (_, { fault }) => t.equal(fault?.usesPlugin, false))
})

// Scenario, too: Each fault on demand…
t.test('a dependency is away for a while, and the service loses no more than what needs it', async (t) => {
  const env = { SHUTDOWN: 'graceful', STOCK: stock() }
  const { code, fault, errors } = await drill('dependency-down',
    ['--path', '/stock', '--dependency', 'STOCK', service], env)
  t.equal(code, 0, 'as expected', { fault })
  t.match(errors, /answered-5xx/, 'it was away')
  t.notMatch(errors, 'secret')
})

// Scenario, too: Each fault on demand…
t.test('what is typed wrongly, or cannot be, says so and exits with 64', async (t) => {
  const { code, errors } = await drill('hang',
    ['--exec', 'env', '-u', 'NODE_OPTIONS', process.execPath, service], { SHUTDOWN: 'close' })
  t.equal(code, 64)
  t.match(errors, /fault hang needs a service that Node runs .*possible with any command: slow-client, half-body/)
  t.equal(read({}), undefined)
  t.same(read({ fault: 'oom' }), { name: 'oom' })
  t.same(read({ fault: 'dependency-down', dependency: 'DB' }, { DB: 'db:5432' }),
    { name: 'dependency-down', dependency: 'DB' })
  t.throws(() => read({ fault: 'hangs' }), /option '--fault' must be one of hang, crash.*, got 'hangs'/)
  t.throws(() => read({ dependency: 'DB' }), /'--dependency' needs '--fault dependency-down'/)
  t.throws(() => read({ fault: 'dependency-down' }), /needs '--dependency <variable>'/)
  t.throws(() => read({ fault: 'dependency-down', dependency: 'DB' }), /must be a variable that is set, got 'DB'/)
  t.throws(() => read({ fault: 'dependency-down', dependency: 'DB' }, { DB: 'secret, and more' }), /DB holds neither/)
})

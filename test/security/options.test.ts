import { Registry } from 'prom-client'
import t from 'tap'
import { readConfig, variableOf } from '../../lib/cli/run/config.ts'
import { readSuperviseOptions, readSupervisorOptions } from '../../lib/supervisor/read-options.ts'
import { supervisorOptions } from '../../lib/supervisor/options.ts'
import { show } from '../../lib/util/shown.ts'
import { resolveCheckOptions } from '../../lib/health/options.ts'
import { readEnvironment, variables } from '../../lib/environment.ts'
import { optionTable } from '../../lib/option-table.ts'
import { isFit, long, read, run } from './given.ts'


/** What somebody's tool, typo or trick may put into a variable that stands for a number, a word or a path. */
const odd = [
  ' ', '\t', '\n', '\r\n', '\u00a0', '0x10', '0X1F', '0b11', '0o17', '1e3', '1E3', '+1', '-0', '-1', '1_000', '1,5',
  '.5', '5.', '05', '1 ', ' 1', '1\n', '\uff11', '\u0661', 'Infinity', 'NaN', 'null', 'undefined', '[5]', '1n',
  'true ', 'TRUE', 'constructor', '__proto__', '5s', '5\0'
]

/** What is to be refused in a variable; a token may be as long as it likes. */
const refusedIn = (option: string): string[] => [...odd, ...option === 'admin.token' ? [] : [long]]

// Scenario (Attacks, and failures of the plugin's own code): Variables that are blank, hexadecimal or otherwise odd;
// getters that answer twice; a polluted `Object.prototype`; tokens in options of any shape; very long values
t.test('a variable that is blank, of another notation or odd is refused, and the message says all', async (t) => {
  for (const { name, expected, option } of variables) {
    for (const text of refusedIn(option)) {
      const refusal = { code: 'FST_GRACEFUL_INVALID_ENVIRONMENT' }
      const error = t.throws(() => readEnvironment({ [name]: text }), refusal, `${name} ${show(text)}`)
      const { message } = error as unknown as Error
      t.ok(isFit(message, `'${name}'`, expected), message.slice(0, 200))
      t.ok(message.length < 600, `${message.length} characters`)
      if (option === 'admin.token' || !/^[!-~]+$/.test(text)) continue
      const shown = text === long ? `${long.slice(0, 76)}...` : text
      t.ok(message.endsWith(`got '${shown}'`), message.slice(-100))
    }
    t.doesNotThrow(() => readEnvironment({ [name]: '' }), 'an empty one is not set')
  }
  t.same(readEnvironment({ KUBERNETES_SERVICE_HOST: '  ' }).recognised, [])
  for (const [text, expected] of [
    ['production ', true],
    ['production\r', true],
    ['productive', false],
    [' ', false]
  ] as const) {
    t.equal(readEnvironment({ NODE_ENV: text }).inProduction, expected, show(text))
  }
})

// Scenario, too: Variables that are blank…
t.test("a supervisor's variables and flags are refused likewise", async (t) => {
  for (const option of supervisorOptions) {
    const name = variableOf(option)
    const wrong = option.kind === 'text' ? [' ', '\t\n'] : option.kind === 'secret' ? odd : [...odd, long]
    // Leading zeros are decimal in a count, which has no octal form; a time has its unit.
    const right = option.kind === 'time' ? '5s' : '05'
    for (const text of wrong.filter((one) => one !== right)) {
      const error = t.throws(() => {
        const config = readConfig({}, { [name]: text }, {})
        readSupervisorOptions({ ...config.options, script: 'a.js' }, {}, config.nameOf)
      }, { code: 'FST_GRACEFUL_INVALID_OPTION' }, `${name} ${show(text)}`)
      const { message } = error as unknown as Error
      t.ok(isFit(message, name) && message.length < 400, message.slice(0, 200))
    }
  }
})

// Scenario, too: Variables that are blank…
t.test('a service with such a variable does not start, and opens no port', async (t) => {
  const service = `
    import Fastify from 'fastify'
    import graceful from './dist/index.js'
    const app = Fastify()
    app.register(graceful, { exit: false })
    try {
      await app.listen({ port: 0, host: '127.0.0.1' })
      console.log('listens')
    } catch (error) { console.log(error.code, error.message) }
    process.exit()`
  const wrong = {
    GRACEFUL_WATCHDOG_PORT: ' ',
    GRACEFUL_ANNOUNCE_MAX_SECONDS: ' ',
    TERMINATION_GRACE_PERIOD_SECONDS: '0x20'
  }
  for (const [name, text] of Object.entries(wrong)) {
    const { output } = run(['--input-type=module', '-e', service], { [name]: text })
    t.match(output, new RegExp(`^FST_GRACEFUL_INVALID_ENVIRONMENT .*'${name}' must be .*, got '${text}'`))
    t.notMatch(output, /listens/)
  }
})

const token = 'a-token-of-27-characters-ok'
const registry = new Registry()

/** Every option, each with a value that is not its default. */
const full = {
  gracePeriod: 40_000,
  preStop: 1000,
  reserve: 500,
  close: 400,
  closeWith: () => {},
  otherListeners: 'beside',
  restartExitCode: 3,
  crash: false,
  exit: false,
  platform: 'ecs',
  announce: {
    min: 1500, quiet: 300, blind: 2000, max: 9000, readinessDelay: 100,
    failures: 2, shed: 'off', envoy: true, onClose: true
  },
  drain: { idle: 50, spread: 60, webSocket: { code: 1012, reason: 'bye', quiet: 5 } },
  signals: { SIGTERM: 'restart' },
  probes: { prefix: '/p', expose: true, external: { path: '/up', status: 404, delay: 5 } },
  admin: { prefix: '/ops', token, authorize: () => false, unixSocket: { mode: '0640' } },
  pressure: { readiness: true, maxHeapUsedBytes: 5 },
  kubernetes: { terminationMessagePath: '/run/message' },
  watchdog: { enabled: true, blocked: 900, liveness: 2000, port: 9, host: '::' },
  metrics: { path: '/m', registry },
  systemd: { extendTimeout: true }
}

/** The same with a getter for each property, which answers something wrong from its second call on. */
function onceOnly (given: object, path: string, reads: Map<string, number>): object {
  const made = {}
  for (const [key, value] of Object.entries(given)) {
    const name = `${path}${key}`
    const isGroup = typeof value === 'object' && value !== null && value !== registry
    const inner: unknown = isGroup ? onceOnly(value as object, `${name}.`, reads) : value
    Object.defineProperty(made, key, { enumerable: true, get: () => {
      const count = (reads.get(name) ?? 0) + 1
      reads.set(name, count)
      return count === 1 ? inner : Symbol('read again')
    } })
  }
  return made
}

// Scenario, too: Variables that are blank…
t.test('each option is read once, whatever it answers later', async (t) => {
  const reads = new Map<string, number>()
  const settings = read(onceOnly(full, '', reads))
  t.same(settings, read(full))
  for (const { name } of optionTable) t.equal(reads.get(name), 1, name)
  t.equal(reads.get('signals.SIGTERM'), 1)
  for (const count of reads.values()) t.equal(count, 1)

  const check = { timeout: 5, ttl: 6, interval: 7, critical: false }
  const checkReads = new Map<string, number>()
  t.same(resolveCheckOptions('one', onceOnly(check, '', checkReads)), resolveCheckOptions('one', check))
  t.same([...checkReads.values()], [1, 1, 1, 1])
})

/** Own properties, as deep as they go; what is inherited is not seen. */
function plain (value: unknown): unknown {
  if (typeof value === 'function') return 'function'
  if (typeof value !== 'object' || value === null) return value
  return Object.keys(value).toSorted().map((key) => [key, plain((value as Record<string, unknown>)[key])])
}

/** Calls something while `Object.prototype` has a property. */
function polluted<T> (key: string, value: unknown, work: () => T): T {
  Reflect.defineProperty(Object.prototype, key, { configurable: true, enumerable: true, writable: true, value })
  try {
    return work()
  } finally {
    delete (Object.prototype as Record<string, unknown>)[key]
  }
}

/** The value of an option in {@link full}. */
const valueAt = (name: string): unknown =>
  name.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], full)

// Scenario, too: Variables that are blank…
t.test('what is on Object.prototype is no option, and no variable', async (t) => {
  const groups = { drain: { webSocket: {} }, announce: {}, probes: { external: { path: '/up' } }, kubernetes: {} }
  const sparse = [{}, { admin: {} }, { admin: { unixSocket: {} } }, { ...groups, watchdog: { port: 5 }, metrics: true }]
  for (const given of sparse) {
    const clean = plain(read(given))
    for (const { name } of optionTable) {
      const key = name.slice(name.lastIndexOf('.') + 1)
      const seen = polluted(key, valueAt(name), () => plain(read(given)))
      t.same(seen, clean, `${name} beside ${JSON.stringify(given)}`)
    }
  }
  const clean = plain(readEnvironment({}))
  for (const { name } of variables) {
    const seen = polluted(name, name.endsWith('TOKEN') ? token : '7', () => plain(readEnvironment({})))
    t.same(seen, clean, name)
    const ofProcess = (): unknown => plain(readEnvironment(process.env))
    t.same(polluted(name, '7', ofProcess), ofProcess(), `${name}, process.env`)
  }
  for (const [name, value] of [['KUBERNETES_SERVICE_HOST', 'x'], ['NODE_ENV', 'production']] as const) {
    t.same(polluted(name, value, () => plain(readEnvironment({}))), clean, name)
  }
  const supervisor = (): unknown => plain(readSuperviseOptions({ script: 'a.js' }, {}))
  const supervised = supervisor()
  for (const { name, kind } of supervisorOptions) {
    const value = kind === 'text' || kind === 'secret' ? token : 2000
    t.same(polluted(name, value, supervisor), supervised, `supervise: ${name}`)
  }
  t.same(polluted('interval', 5, () => plain(resolveCheckOptions('one'))), plain(resolveCheckOptions('one')))
})

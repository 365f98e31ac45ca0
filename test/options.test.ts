import { Registry } from 'prom-client'
import { constants } from 'node:os'
import t from 'tap'
import { shorten } from '../lib/util/text.ts'
import { show } from '../lib/util/shown.ts'
import { typeName } from '../lib/errors.ts'
import { readEnvironment, variables } from '../lib/environment.ts'
import type { Environment } from '../lib/environment.ts'
import { optionTable } from '../lib/option-table.ts'
import { readOptions } from '../lib/options.ts'
import { platformNames, recognise } from '../lib/platform/detect.ts'
import type { GracefulOptions } from '../lib/options.ts'
import type { Settings } from '../lib/settings.ts'

const elsewhere: Environment = {
  recognised: [],
  env: {},
  stateDirectory: undefined,
  supervised: false,
  inProduction: false,
  speaksForContainer: true,
  platformatic: undefined,
  foreignPrimary: false,
  siblings: 1,
  options: {}
}
const kubernetes: Environment = { ...elsewhere, recognised: recognise({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }) }
const aToken = 'a-token-of-enough-length'

const read = (options: unknown = {}, environment: Environment = elsewhere): Settings =>
  readOptions(options as GracefulOptions, environment)

/** An options object with one option set: `set('announce.min', 5)` is `{ announce: { min: 5 } }`. */
function set (name: string, value: unknown): object {
  const [first = '', second, third] = name.split('.')
  if (second === undefined) return { [first]: value }
  // The external route cannot be without its path.
  const given = second === 'external' ? { path: '/up' } : {}
  return { [first]: { [second]: third === undefined ? value : { ...given, [third]: value } } }
}

const longest = 2 ** 31 - 1
const notATime = [-1, Number.NaN, Infinity, -Infinity, longest + 1, '5000', '5s', null, true, [], {}, () => {}, 5n]
const notABoolean = ['true', 1, 0, null, {}, []]
const notAnObject = ['x', 5, true, false, null, [], () => {}]
const notAnObjectOrFalse = ['x', 5, true, null, [], () => {}, 0, '']
const notAFunction = ['x', 5, {}, null, true]
const prefixes = {
  valid: ['', '/a', '/a/b', '/-', '/.health'],
  invalid: ['/', 'a', '/a/', '//', '/:a', '/*', '/a?b', '/a b', '/a#b', 5, null, {}]
}
const admin = { token: aToken }

/** Every option: what is taken, and what is not. */
const cases: Record<string, { valid: unknown[], invalid: unknown[] }> = {
  gracePeriod: { valid: [1000, 30_000, 30_000.5, longest], invalid: [...notATime, 0, 999, 999.9] },
  platform: {
    valid: ['auto', false, ...platformNames, undefined],
    invalid: ['', 'Kubernetes', 'aws', 'auto ', true, null, 5, {}, ['fly'], 'toString', '__proto__']
  },
  preStop: { valid: [0, 5000], invalid: notATime },
  reserve: { valid: [0, 2000], invalid: notATime },
  announce: { valid: [{}, undefined, Object.create(null)], invalid: notAnObject },
  'announce.min': { valid: [0, 18_000, undefined], invalid: notATime },
  'announce.quiet': { valid: [0, 18_000], invalid: notATime },
  'announce.blind': { valid: [0, 18_000], invalid: notATime },
  'announce.max': { valid: [1000, 22_000], invalid: notATime },
  'announce.readinessDelay': { valid: [0, 18_000], invalid: notATime },
  'announce.failures': { valid: [0, 1, 3, 100], invalid: [-1, 101, 1.5, Number.NaN, '3', null, true, {}] },
  'announce.shed': { valid: ['gradual', 'immediate', 'off'], invalid: ['Gradual', '', true, false, null, 1, {}] },
  'announce.envoy': { valid: [true, false], invalid: notABoolean },
  'announce.onClose': { valid: [true, false], invalid: notABoolean },
  drain: { valid: [{}], invalid: notAnObject },
  'drain.idle': { valid: [0, 500, longest], invalid: notATime },
  'drain.spread': { valid: [0, 5000, longest, undefined], invalid: notATime },
  'drain.webSocket': { valid: [{}, false, undefined], invalid: notAnObjectOrFalse },
  'drain.webSocket.code': {
    valid: [1000, 1001, 1012, 1014, 3000, 4999],
    invalid: [999, 1004, 1005, 1006, 1015, 2999, 5000, 1001.5, '1001', null, true]
  },
  'drain.webSocket.reason': {
    valid: ['', 'bye', 'x'.repeat(123), 'é'.repeat(61)],
    invalid: ['x'.repeat(124), 'é'.repeat(62), 5, null, true, {}]
  },
  'drain.webSocket.quiet': { valid: [0, 250, longest], invalid: notATime },
  close: { valid: [0, 5000], invalid: notATime },
  closeWith: { valid: [() => {}, async () => {}], invalid: notAFunction },
  signals: { valid: [{}, { SIGTERM: false }, { SIGUSR2: 'restart' }, { SIGHUP: 'ignore' }], invalid: notAnObject },
  otherListeners: { valid: ['after', 'beside'], invalid: ['before', true, false, null, 1, {}] },
  restartExitCode: { valid: [0, 1, 255], invalid: [-1, 256, 1.5, Number.NaN, '1', null, true] },
  crash: { valid: [true, false], invalid: notABoolean },
  exit: { valid: [true, false], invalid: notABoolean },
  probes: { valid: [{}, false], invalid: notAnObjectOrFalse },
  'probes.prefix': prefixes,
  'probes.expose': { valid: [true, false], invalid: notABoolean },
  'probes.external': { valid: [false, { path: '/up' }], invalid: notAnObjectOrFalse },
  'probes.external.path': {
    valid: ['/', '/up', '/a/b/', '/-/up.txt'],
    invalid: ['', 'up', '/:a', '/*', '/a?b', '/a#b', '/a b', 5, null, {}]
  },
  'probes.external.status': { valid: [200, 204, 404, 503, 599], invalid: [199, 600, 404.5, '404', null, true] },
  'probes.external.delay': { valid: [0, 18_000], invalid: notATime },
  admin: { valid: [{}, false, admin], invalid: notAnObjectOrFalse },
  'admin.prefix': prefixes,
  'admin.token': {
    valid: [aToken, 'x'.repeat(16), [aToken], [aToken, `${aToken}2`]],
    invalid: [
      '', 'x'.repeat(15), 'x'.repeat(15) + ' ', 'sixteen-letters-é', [], [''], [aToken, 'short'], 5, null, true, {}
    ]
  },
  'admin.authorize': { valid: [() => true, async () => false], invalid: notAFunction },
  'admin.unixSocket': { valid: [true, false, {}, undefined], invalid: ['x', 5, null, [], () => {}] },
  'admin.unixSocket.mode': {
    valid: [0o600, 0, 0o777, '600', '0660', '0o666'],
    invalid: [-1, 0o1000, 1.5, '', '0999', '66', '0x1ff', 'rw', null, true, {}]
  },
  pressure: { valid: [{}, false, { maxEventLoopDelay: 1000 }], invalid: notAnObjectOrFalse },
  'pressure.readiness': { valid: [true, false], invalid: notABoolean },
  kubernetes: { valid: [{}, false], invalid: notAnObjectOrFalse },
  'kubernetes.terminationMessagePath': {
    valid: ['/dev/termination-log', '/tmp/x', 'C:\\log', 'D:/log'],
    invalid: ['', 'log', './log', '/a\0b', 5, null, {}, false]
  },
  systemd: { valid: [{}, false], invalid: notAnObjectOrFalse },
  'systemd.extendTimeout': { valid: [true, false], invalid: notABoolean },
  watchdog: { valid: [{}, false], invalid: notAnObjectOrFalse },
  'watchdog.enabled': { valid: [true, false], invalid: notABoolean },
  'watchdog.blocked': { valid: [500, 2000, longest], invalid: [...notATime, 0, 499] },
  'watchdog.liveness': { valid: [1000, 30_000], invalid: [...notATime, 0, 999] },
  'watchdog.port': { valid: [0, 9000, 65_535], invalid: [-1, 65_536, 1.5, Number.NaN, '9000', null, true] },
  'watchdog.host': { valid: ['127.0.0.1', '::'], invalid: ['', 5, null, true, {}] },
  metrics: { valid: [true, false, {}], invalid: ['x', 5, null, [], () => {}, 0, ''] },
  'metrics.registry': { valid: [new Registry(), undefined], invalid: ['x', 5, null, true, {}, [], new Map()] },
  'metrics.path': { valid: [false, '/metrics', '/-/metrics'], invalid: ['', 'metrics', '/:a', '/*', true, 5, null, {}] }
}

// Scenario (Signals and exit): Options that are wrong are refused by name (fastify-traps)
t.test('every option has its cases, and every case its option', async (t) => {
  t.same(Object.keys(cases).toSorted(), optionTable.map(({ name }) => name).toSorted())
  for (const row of optionTable) {
    t.ok(row.default.length > 0, `${row.name} has a default in words`)
    t.ok(row.rule.expected.length > 0)
  }
})

for (const [name, { valid, invalid }] of Object.entries(cases)) {
  // Scenario, too: Options that are wrong are refused by name (fastify-traps)
  t.test(`option ${name}`, async (t) => {
    for (const value of valid) t.doesNotThrow(() => read(set(name, value)), show(value))
    const { expected } = optionTable.find((row) => row.name === name)!.rule
    for (const value of invalid) {
      const isSecret = name === 'admin' || (name.startsWith('admin.') && name !== 'admin.prefix')
      const shown = isSecret ? 'a value that is not shown' : show(value)
      const error = t.throws(() => read(set(name, value)), {
        code: 'FST_GRACEFUL_INVALID_OPTION',
        name: 'FastifyError',
        statusCode: 500
      }, show(value)) as unknown as Error
      t.equal(
        error.message,
        `fastify-graceful: option '${name}' must be ${expected}, got ${shown} (${typeName(value)})`
      )
      t.ok(error instanceof TypeError)
    }
  })
}

t.test('what is no object is refused', async (t) => {
  for (const given of [null, 'x', 5, true, [], () => {}]) {
    t.throws(() => read(given), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: /'options' must be an object, got /
    }, show(given))
  }
})

t.test('unknown options are refused with the ones there are', async (t) => {
  for (const [options, message] of [
    [
      { timeout: 5 },
      /unknown option 'timeout', expected one of: gracePeriod, platform, preStop, reserve, announce, drain, close, closeWith, signals, otherListeners, restartExitCode, crash, exit, probes, admin, pressure, kubernetes, systemd, watchdog, metrics$/
    ],
    [
      { metrics: { prefix: 'x' } },
      /unknown option 'metrics.prefix', expected one of: metrics.registry, metrics.path$/
    ],
    [
      { token: aToken },
      /unknown option 'token'/
    ],
    [
      { 'announce.min': 5 },
      /unknown option 'announce.min'/
    ],
    [
      { announce: { minimum: 5 } },
      /unknown option 'announce.minimum', expected one of: announce.min, announce.quiet, announce.blind, announce.max, announce.readinessDelay, announce.failures, announce.shed, announce.envoy, announce.onClose$/
    ],
    [
      { drain: { timeout: 5 } },
      /unknown option 'drain.timeout', expected one of: drain.idle, drain.spread, drain.webSocket$/
    ],
    [
      { drain: { webSocket: { status: 1001 } } },
      /unknown option 'drain.webSocket.status', expected one of: drain.webSocket.code, drain.webSocket.reason, drain.webSocket.quiet$/
    ],
    [
      { probes: { port: 5 } },
      /unknown option 'probes.port', expected one of: probes.prefix, probes.expose, probes.external$/
    ],
    [
      { probes: { external: { path: '/up', prefix: '' } } },
      /unknown option 'probes.external.prefix', expected one of: probes.external.path, probes.external.status, probes.external.delay$/
    ],
    [
      { kubernetes: { namespace: 'x' } },
      /unknown option 'kubernetes.namespace', expected one of: kubernetes.terminationMessagePath$/
    ],
    [
      { admin: { password: aToken } },
      /unknown option 'admin.password', expected one of: admin.prefix, admin.token, admin.authorize, admin.unixSocket$/
    ],
    [
      { constructor: 5 },
      /unknown option 'constructor'/
    ],
    [
      { admin: { toString: () => '' } },
      /unknown option 'admin.toString'/
    ]
  ] as Array<[unknown, RegExp]>) {
    const error = t.throws(() => read(options), { code: 'FST_GRACEFUL_UNKNOWN_OPTION', message }) as unknown as Error
    t.notMatch(error.message, aToken)
  }
  t.doesNotThrow(
    () => read({ prefix: '/x', logLevel: 'warn', logSerializers: {} }),
    'what register itself understands comes along'
  )
  t.same(
    read({ pressure: { healthCheck: null, maxHeapUsedBytes: 5 } }).pressure,
    { healthCheck: null, maxHeapUsedBytes: 5 },
    'and under-pressure knows its own'
  )
})

t.test('a token is never shown, wherever it is put', async (t) => {
  const secret = 'tooshort!'
  for (const options of [
    { admin: { token: secret } },
    { admin: { token: [aToken, secret] } },
    { admin: { token: { value: secret } } },
    { admin: { token: () => secret } },
    { admin: secret },
    { admin: [secret] }
  ]) {
    const error = t.throws(() => read(options), { code: 'FST_GRACEFUL_INVALID_OPTION' }) as unknown as Error
    t.notMatch(error.message, secret)
    t.notMatch(error.message, aToken)
    t.match(error.message, /got a value that is not shown \((?:string|array|object|function)\)$/)
  }
})

// Scenario (Signals and exit): SIGKILL and SIGSTOP as signals to act on are refused (http-graceful-shutdown)
t.test('signals', async (t) => {
  t.same(read().signals, { SIGTERM: 'shutdown', SIGINT: 'shutdown', SIGHUP: 'restart' })
  t.same(
    read({}, kubernetes).signals,
    { SIGTERM: 'shutdown', SIGINT: 'shutdown', SIGHUP: 'ignore' },
    'one SIGHUP to all replicas would be an outage'
  )
  t.same(
    read({ signals: { SIGHUP: 'restart', SIGINT: false, SIGUSR2: 'restart' } }, kubernetes).signals,
    { SIGTERM: 'shutdown', SIGINT: false, SIGHUP: 'restart', SIGUSR2: 'restart' }
  )
  const meant: Array<[given: string, name: string | undefined]> = [
    ['SIGTREM', 'SIGTERM'], ['sigterm', 'SIGTERM'], ['TERM', 'SIGTERM'], ['SIGTERM ', 'SIGTERM'], ['15', 'SIGTERM'],
    ['SIGTEM', 'SIGTERM'], ['SIGGTERM', 'SIGTERM'], ['SIG_INT', 'SIGINT'], ['SIGHUB', 'SIGHUP'],
    ['SIGUSER2', 'SIGUSR2'], ['usr2', 'SIGUSR2'], ['sigbreak', 'SIGBREAK'], ['SIGQIUT', 'SIGQUIT'],
    ['SIG', undefined], ['SIGT', undefined], ['', undefined], ['99', undefined], ['SIGIN', 'SIGINT'],
    ['SIGSHUTDOWN', undefined], ['toString', undefined], ['X'.repeat(300), undefined]
  ]
  for (const [given, name] of meant) {
    const { message } = t.throws(() => read({ signals: { [given]: 'shutdown' } }), {
      code: 'FST_GRACEFUL_UNKNOWN_OPTION'
    }) as Error
    const unknown = `'${shorten(`signals.${given}`)}'${name === undefined ? '' : ` (did you mean ${name}?)`}`
    const expected = `fastify-graceful: unknown option ${unknown}, expected one of: SIGABRT, `
    t.equal(message.slice(0, expected.length), expected)
    t.match(message, /, SIGINT, .*, SIGTERM, /)
    t.notMatch(message, /SIGKILL|SIGSTOP/)
  }
  for (const name of Object.keys(constants.signals).filter((name) => name !== 'SIGKILL' && name !== 'SIGSTOP')) {
    t.match(read({ signals: { [name]: 'restart' } }).signals, { [name]: 'restart' })
  }
  for (const name of ['SIGBREAK', 'SIGINFO', 'SIGLOST', 'SIGUNUSED'].filter((name) => !(name in constants.signals))) {
    t.same(
      read({ signals: { [name]: 'shutdown' } }).signals,
      read().signals,
      `${name}: another platform has it, this one has nothing to listen for`
    )
    t.throws(() => read({ signals: { [name]: 'stop' } }), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: /must be one of "shutdown"/
    })
  }
  for (const name of ['SIGKILL', 'SIGSTOP']) {
    t.throws(() => read({ signals: { [name]: 'shutdown' } }), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: `fastify-graceful: option 'signals.${name}' must be left out: no process can handle it, `
        + 'got "shutdown" (string)'
    })
  }
  for (const action of ['stop', '', true, null, undefined, 1, {}]) {
    t.throws(() => read({ signals: { SIGTERM: action } }), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: /'signals.SIGTERM' must be one of "shutdown", "restart", "ignore", false, got /
    }, show(action))
  }
})

/** A default of the table that differs in a pod, in words. */
const inPod = (value: number, otherwise: number): string =>
  `that of the platform: ${value} in Kubernetes; else ${otherwise}`
const from = (env: NodeJS.ProcessEnv): Settings => read({}, readEnvironment(env))

t.test('environment variables', async (t) => {
  t.test('give defaults', async (t) => {
    t.match(from({}), { inKubernetes: false, budget: { gracePeriod: 30_000, preStop: 0 } })
    t.match(
      from({ TERMINATION_GRACE_PERIOD_SECONDS: '', PRESTOP_SECONDS: '', KUBERNETES_SERVICE_HOST: '' }),
      { inKubernetes: false, budget: { gracePeriod: 30_000, preStop: 0 } },
      'empty is unset'
    )
    t.match(from({ TERMINATION_GRACE_PERIOD_SECONDS: '60', PRESTOP_SECONDS: '5' }), {
      budget: { gracePeriod: 60_000, preStop: 5000 }
    })
    t.match(from({ TERMINATION_GRACE_PERIOD_SECONDS: '7.5', PRESTOP_SECONDS: '0.5' }), {
      budget: { gracePeriod: 7500, preStop: 500 }
    })
    t.match(from({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }), {
      inKubernetes: true,
      drain: { idle: 5000 },
      budget: { announce: { min: 5000, blind: 15_000 } }
    })
  })

  t.test('are overruled by options', async (t) => {
    const environment = readEnvironment({ TERMINATION_GRACE_PERIOD_SECONDS: '60', PRESTOP_SECONDS: '5' })
    t.match(read({ gracePeriod: 10_000, preStop: 0 }, environment), { budget: { gracePeriod: 10_000, preStop: 0 } })
  })

  t.test('that are wrong are named with what was expected and given', async (t) => {
    for (const value of ['30s', 'abc', '-1', '0', '0.5', 'Infinity', 'NaN', '2147484', ' ']) {
      t.throws(() => from({ TERMINATION_GRACE_PERIOD_SECONDS: value }), {
        code: 'FST_GRACEFUL_INVALID_ENVIRONMENT',
        message: "fastify-graceful: environment variable 'TERMINATION_GRACE_PERIOD_SECONDS' must be "
          + `a number of seconds from 1 to 2147483, got '${value}'`
      })
    }
    for (const value of ['5s', '-1', 'Infinity', '2147484']) {
      t.throws(() => from({ PRESTOP_SECONDS: value }), {
        code: 'FST_GRACEFUL_INVALID_ENVIRONMENT',
        message: "fastify-graceful: environment variable 'PRESTOP_SECONDS' must be "
          + `a number of seconds from 0 to 2147483, got '${value}'`
      })
    }
  })

  t.test('reach every option they are for', async (t) => {
    t.same(from({
      GRACEFUL_RESERVE_SECONDS: '1',
      GRACEFUL_CLOSE_SECONDS: '3',
      GRACEFUL_ANNOUNCE_MIN_SECONDS: '4',
      GRACEFUL_ANNOUNCE_QUIET_SECONDS: '0.5',
      GRACEFUL_ANNOUNCE_BLIND_SECONDS: '6',
      GRACEFUL_ANNOUNCE_MAX_SECONDS: '20',
      GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS: '2'
    }).budget, {
      gracePeriod: 30_000,
      preStop: 0,
      reserve: 1000,
      close: 3000,
      closing: 500,
      announce: { max: 20_000, min: 4000, blind: 6000, quiet: 500, readinessDelay: 2000 }
    })
    t.match(from({
      GRACEFUL_ANNOUNCE_SHED: 'off',
      GRACEFUL_OTHER_LISTENERS: 'beside',
      GRACEFUL_ANNOUNCE_ENVOY: 'true',
      GRACEFUL_DRAIN_IDLE_SECONDS: '7',
      GRACEFUL_DRAIN_SPREAD_SECONDS: '2.5',
      GRACEFUL_DRAIN_WEB_SOCKET_CODE: '1012',
      GRACEFUL_DRAIN_WEB_SOCKET_QUIET_SECONDS: '0.1',
      GRACEFUL_PROBES_PREFIX: '/health',
      GRACEFUL_EXTERNAL_PATH: '/up',
      GRACEFUL_EXTERNAL_STATUS: '404',
      GRACEFUL_EXTERNAL_DELAY_SECONDS: '3',
      GRACEFUL_WATCHDOG_PORT: '9000',
      GRACEFUL_WATCHDOG_HOST: '10.0.0.1',
      GRACEFUL_SYSTEMD_EXTEND_TIMEOUT: 'true',
      GRACEFUL_ADMIN_PREFIX: '/ops',
      GRACEFUL_ADMIN_TOKEN: `${aToken}, ${aToken}2`,
      GRACEFUL_TERMINATION_MESSAGE_PATH: '/run/message'
    }), {
      shed: 'off',
      otherListeners: 'beside',
      envoy: true,
      drain: { idle: 7000, spread: 2500, webSocket: { code: 1012, reason: 'service restart', quiet: 100 } },
      toldAfter: 3000,
      probes: { prefix: '/health', expose: false, external: { path: '/up', status: 404, delay: 3000 } },
      systemd: { extendTimeout: true },
      watchdog: { port: 9000, host: '10.0.0.1', blocked: 2000 },
      admin: { prefix: '/ops', token: [aToken, `${aToken}2`] },
      terminationMessagePath: '/run/message'
    })
    t.match(
      from({
        PRESTOP_SECONDS: '3',
        GRACEFUL_ANNOUNCE_MIN_SECONDS: '4',
        GRACEFUL_ANNOUNCE_BLIND_SECONDS: '2'
      }).budget.announce,
      { min: 1000, blind: 0 },
      'what preStop takes comes off as it does of options'
    )
    t.same(
      variables.map(({ option }) => option).filter((option) => !optionTable.some(({ name }) => name === option)),
      [],
      'and none is for an option that does not exist'
    )
  })

  t.test('give way option by option, and to a group that is switched off', async (t) => {
    const environment = readEnvironment({
      GRACEFUL_ANNOUNCE_MIN_SECONDS: '4',
      GRACEFUL_ANNOUNCE_MAX_SECONDS: '9',
      GRACEFUL_ADMIN_TOKEN: aToken,
      GRACEFUL_EXTERNAL_PATH: '/up',
      GRACEFUL_WATCHDOG_PORT: '9000',
      GRACEFUL_TERMINATION_MESSAGE_PATH: '/run/message'
    })
    t.match(read({ announce: { min: 2000, max: undefined } }, environment).budget.announce, { min: 2000, max: 9000 })
    t.match(read({ admin: false, probes: false, kubernetes: false }, environment), {
      admin: false,
      probes: false,
      terminationMessagePath: undefined
    })
    t.equal(read({ systemd: false }, readEnvironment({ GRACEFUL_SYSTEMD_EXTEND_TIMEOUT: 'true' })).systemd, undefined)
    for (const watchdog of [false, { enabled: false }] as const) {
      t.equal(read({ watchdog }, environment).watchdog, undefined)
    }
    t.match(read({ watchdog: { port: 9001 } }, environment).watchdog, { port: 9001 })
    t.match(read({ probes: { external: false } }, environment).probes, { external: false })
    t.match(read({ probes: { external: { path: '/code', status: 204 } } }, environment).probes, {
      external: { path: '/code', status: 204, delay: 0 }
    })
  })

  t.test('that their options could not be are named', async (t) => {
    for (const [name, value, expected] of [
      ['GRACEFUL_ANNOUNCE_SHED', 'none', 'one of "gradual", "immediate", "off"'],
      ['GRACEFUL_ANNOUNCE_ENVOY', 'yes', 'one of true, false'],
      ['GRACEFUL_EXTERNAL_PATH', 'up', "a path that begins with '/', without ':', '*', '?' and '#'"],
      ['GRACEFUL_EXTERNAL_STATUS', '1000', 'an integer from 200 to 599'],
      ['GRACEFUL_SYSTEMD_EXTEND_TIMEOUT', '1', 'one of true, false'],
      ['GRACEFUL_WATCHDOG_PORT', 'http', 'an integer from 0 to 65535'],
      ['GRACEFUL_WATCHDOG_HOST', '10.0.0', 'an IP address'],
      ['GRACEFUL_TERMINATION_MESSAGE_PATH', 'log', 'an absolute path']
    ] as const) {
      t.throws(() => from({ [name]: value }), {
        code: 'FST_GRACEFUL_INVALID_ENVIRONMENT',
        message: `fastify-graceful: environment variable '${name}' must be ${expected}, got '${value}'`
      })
    }
    t.throws(() => from({ GRACEFUL_ADMIN_TOKEN: 'tooshort!' }), {
      code: 'FST_GRACEFUL_INVALID_ENVIRONMENT',
      message: /got 'a value that is not shown'$/
    }, 'a token is never shown')
    t.throws(() => from({ GRACEFUL_EXTERNAL_STATUS: '404' }), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: /'probes.external.path' must be a path .*, got undefined/
    })
  })

  t.test('that contradict each other are refused like options', async (t) => {
    t.throws(() => from({ TERMINATION_GRACE_PERIOD_SECONDS: '30', PRESTOP_SECONDS: '30' }), {
      code: 'FST_GRACEFUL_BUDGET',
      message: /'preStop' does not fit into the grace period: expected less than 30000 ms \(gracePeriod 30000 ms - reserve .*, got 30000 ms/
    })
  })
})

t.test('times that do not add up are refused with the sum', async (t) => {
  const error = t.throws(() => read({ announce: { max: 25_000 } }), {
    code: 'FST_GRACEFUL_BUDGET'
  }) as unknown as Error
  t.equal(
    error.message,
    "fastify-graceful: option 'announce.max' does not fit into the grace period: expected less than 22500 ms "
      + '(gracePeriod 30000 ms - preStop 0 ms - reserve 2000 ms - close 5000 ms - closing 500 ms), '
      + 'so that requests have time to finish, got 25000 ms'
  )
  t.ok(error instanceof RangeError)
  t.throws(() => read({ close: 40_000 }), {
    code: 'FST_GRACEFUL_BUDGET',
    message: "fastify-graceful: option 'close' does not fit into the grace period: expected less than 27500 ms "
      + '(gracePeriod 30000 ms - preStop 0 ms - reserve 2000 ms - closing 500 ms), '
      + 'so that requests have time to finish, got 40000 ms'
  })
})

t.test('the external route has to learn of the end before phase 1 is over', async (t) => {
  t.throws(() => read({ probes: { external: { path: '/up', delay: 18_001 } } }), {
    code: 'FST_GRACEFUL_BUDGET',
    message: /'probes.external.delay' .* expected at most announce.max = 18000 ms, got 18001 ms$/
  })
  t.equal(
    read({ announce: { readinessDelay: 5000 }, probes: { external: { path: '/up', delay: 3000 } } }).toldAfter,
    5000,
    'the balancer counts as told when the last of them says so'
  )
})

t.test('where the process speaks for its container, and where not', async (t) => {
  const path = '/run/message'
  t.equal(
    read({ exit: false }).terminationMessagePath,
    undefined,
    'the end of this application is not that of the container'
  )
  t.equal(read({}, { ...kubernetes, speaksForContainer: false }).terminationMessagePath, undefined)
  t.equal(
    read({ exit: false, kubernetes: { terminationMessagePath: path } }).terminationMessagePath,
    path,
    'unless somebody says so'
  )
  t.match(read({ kubernetes: false }, kubernetes), {
    inKubernetes: false,
    drain: { idle: 500 },
    terminationMessagePath: undefined,
    signals: { SIGHUP: 'restart' },
    budget: { announce: { min: 0 } }
  }, 'not in a pod, whatever the environment says')
})

t.test('nodemon asks for the next start by SIGUSR2', async (t) => {
  const nodemon: Environment = { ...elsewhere, developer: 'nodemon' }
  t.match(read({}, nodemon), { developer: 'nodemon', signals: { SIGUSR2: 'restart' } })
  t.equal(read({ signals: { SIGUSR2: false } }, nodemon).signals['SIGUSR2'], false)
  t.equal(read({}, { ...elsewhere, developer: 'tsx watch' }).signals['SIGUSR2'], undefined)
})

t.test('defaults', async (t) => {
  const common = {
    closeWith: undefined,
    otherListeners: 'after',
    restartExitCode: 0,
    crash: true,
    exit: true,
    shed: 'gradual',
    probes: { prefix: '', expose: false, external: false },
    admin: { prefix: '/-' },
    pressure: undefined,
    envoy: false,
    toldAfter: 0,
    terminationMessagePath: '/dev/termination-log'
  }
  t.match(read(), {
    ...common,
    drain: { idle: 500, isIdleGiven: false },
    inKubernetes: false,
    budget: {
      gracePeriod: 30_000,
      preStop: 0,
      reserve: 2000,
      close: 5000,
      announce: { min: 0, quiet: 1000, blind: 0, max: 18_000, readinessDelay: 0 }
    }
  })
  t.match(read({}, kubernetes), {
    ...common,
    drain: { idle: 5000, isIdleGiven: false },
    inKubernetes: true,
    budget: { announce: { min: 5000, quiet: 1000, blind: 15_000, max: 18_000 } }
  })
  t.match(read({ probes: false, admin: false }), { probes: false, admin: false })

  t.match(read(), { announceOnClose: false, othersServe: false })
  t.match(read({ announce: { onClose: true } }), { announceOnClose: true, front: { isKnown: false } })
  const watt = { gracePeriod: 10_000, workers: 2 }
  const runtime = { ...elsewhere, recognised: recognise({}, watt), platformatic: watt }
  t.match(read({}, runtime), { announceOnClose: true, budget: { gracePeriod: 10_000 } }, "under Platformatic's runtime")
  t.match(read({ announce: { onClose: false }, gracePeriod: 20_000 }, runtime), {
    announceOnClose: false,
    budget: { gracePeriod: 20_000 }
  })
  t.match(
    read({}, { ...elsewhere, foreignPrimary: true }),
    { othersServe: true },
    "in a worker of somebody else's cluster"
  )
  for (const announce of [{ min: 1 }, { max: 1000 }]) {
    t.match(read({ announce }, { ...elsewhere, foreignPrimary: true }), { othersServe: false })
  }
  t.match(
    read({}, { ...kubernetes, foreignPrimary: true }),
    { othersServe: false },
    'in a pod its end is the common case'
  )
  t.match(read(), { front: { isKnown: false, failures: 3, sharedBy: 1 } }, 'who is in front is observed')
  t.match(read({}, kubernetes), { front: { isKnown: true, failures: 0 } })
  for (const announce of [
    { min: 0 }, { quiet: 50 }, { blind: 1 }, { max: 0 }, { readinessDelay: 1 }, { envoy: true }
  ]) {
    t.match(read({ announce }), { front: { isKnown: true, failures: 3 } })
  }
  for (const announce of [{}, { failures: 2 }, { min: undefined }, { shed: 'off' }, { envoy: false }]) {
    t.match(read({ announce }), { front: { isKnown: false } })
  }

  // The words of the table say the same as the code.
  const words = Object.fromEntries(optionTable.map((row) => [row.name, row.default]))
  const [here, pod] = [read(), read({}, kubernetes)]
  t.equal(
    words['gracePeriod'],
    `env \`TERMINATION_GRACE_PERIOD_SECONDS\` x 1000, else that of the platform, else ${here.budget.gracePeriod}`
  )
  t.equal(words['reserve'], `${here.budget.reserve}, at most a tenth of the grace period`)
  t.equal(words['close'], `${here.budget.close}, at most a sixth of the grace period`)
  t.equal(words['announce.min'], inPod(pod.budget.announce.min, here.budget.announce.min))
  t.equal(words['announce.blind'], inPod(pod.budget.announce.blind, here.budget.announce.blind))
  t.match(words['announce.quiet'], new RegExp(`^${here.budget.announce.quiet}`))
  t.equal(
    words['announce.max'],
    `what the grace period leaves: ${here.budget.announce.max} of ${here.budget.gracePeriod}`
  )
  t.equal(words['announce.readinessDelay'], `${here.budget.announce.readinessDelay}`)
  t.equal(words['announce.failures'], inPod(pod.front.failures, here.front.failures))
  t.equal(words['announce.shed'], `\`'${here.shed}'\``)
  t.equal(words['drain.idle'], `${pod.drain.idle} in Kubernetes, else ${here.drain.idle}`)
  t.match(here.drain.webSocket, {
    code: Number(words['drain.webSocket.code']),
    reason: words['drain.webSocket.reason']?.slice(2, -2),
    quiet: Number(words['drain.webSocket.quiet'])
  })
  t.equal(words['otherListeners'], `\`'${here.otherListeners}'\``)
  t.equal(words['restartExitCode'], `${here.restartExitCode}`)
})

t.test('the watchdog is on in production, in Kubernetes, and where it has a port', async (t) => {
  const settings = { blocked: 2000, liveness: 30_000, port: undefined, host: '::' }
  const production: Environment = { ...elsewhere, inProduction: true }
  t.equal(read().watchdog, undefined)
  t.equal(read({ watchdog: { blocked: 500 } }).watchdog, undefined)
  for (const environment of [kubernetes, production]) {
    t.same(read({}, environment).watchdog, settings)
    t.equal(read({ watchdog: false }, environment).watchdog, undefined)
    t.equal(read({ watchdog: { enabled: false, port: 9000 } }, environment).watchdog, undefined)
  }
  t.same(read({ watchdog: { port: 9000 } }).watchdog, { ...settings, port: 9000 })
  t.same(
    read({ watchdog: { enabled: true, blocked: 500, liveness: 5000, host: '::' } }).watchdog,
    { blocked: 500, liveness: 5000, port: undefined, host: '::' }
  )
  t.equal(readEnvironment({ NODE_ENV: 'production' }).inProduction, true)
  t.equal(readEnvironment({ NODE_ENV: 'development' }).inProduction, false)
})

t.test("the caller's object is accepted frozen, and stays as it is", async (t) => {
  const deepFreeze = <T extends object>(value: T): T => {
    for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part)
    return Object.freeze(value)
  }
  const options = {
    gracePeriod: 60_000,
    announce: { min: 1, shed: 'off' },
    drain: { idle: 5 },
    signals: { SIGHUP: false },
    probes: { prefix: '/health' },
    admin: { token: [aToken] },
    kubernetes: { terminationMessagePath: '/x' },
    pressure: { readiness: true, maxEventLoopDelay: 1000 }
  }
  const before = structuredClone(options)
  const settings = read(deepFreeze(options))
  t.same(options, before)
  t.not(settings.pressure, options.pressure, 'under-pressure changes what it gets')
  t.not(settings.signals, options.signals)
  t.not(settings.admin, options.admin)
  t.same(settings.pressure, options.pressure)
  t.same(settings.probes, { prefix: '/health', expose: false, external: false })
  t.same(settings.budget.announce.min, 1)
})

function handler (): void {}

t.test('values are shown briefly, whatever they are', async (t) => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  for (const [value, shown, type] of [
    [undefined, 'undefined', 'undefined'],
    [null, 'null', 'null'],
    ['x', '"x"', 'string'],
    ['', '""', 'string'],
    [5, '5', 'number'],
    [Number.NaN, 'NaN', 'number'],
    [5n, '5', 'bigint'],
    [Symbol('s'), 'Symbol(s)', 'symbol'],
    [[1, 2], '[1,2]', 'array'],
    [{ a: 1 }, '{"a":1}', 'object'],
    [circular, '[object Object]', 'object'],
    [handler, 'function handler', 'function'],
    [Object.defineProperty(() => {}, 'name', { value: '' }), 'function (anonymous)', 'function'],
    [{ toJSON: () => undefined }, 'object', 'object']
  ] as Array<[unknown, string, string]>) {
    t.equal(show(value), shown)
    t.equal(typeName(value), type)
  }
  t.equal(show('y'.repeat(500)).length, 80)
  t.match(show('y'.repeat(500)), /\.\.\.$/)
})

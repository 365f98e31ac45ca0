import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { flagOf, readConfig, readPackageKey } from '../../lib/cli/run/config.ts'
import { usableCores, readSuperviseOptions, readSupervisorOptions } from '../../lib/supervisor/read-options.ts'
import { supervisorOptions } from '../../lib/supervisor/options.ts'
import type { SuperviseOptions, SupervisorOptions } from '../../lib/supervisor/options.ts'
import { checkScript, workingDirectory } from '../../lib/supervisor/parent/script.ts'
import { service, start } from './tree.ts'

/** What the command does before it starts anything. */
const read = (flags: Record<string, string>, env: NodeJS.ProcessEnv, key: Record<string, unknown>) => (): void => {
  const { options, nameOf } = readConfig(flags, env, key)
  readSupervisorOptions({ script: 'app.js', ...options }, {}, nameOf)
}

function times (options: Partial<SupervisorOptions>, env: NodeJS.ProcessEnv): unknown {
  const { gracePeriod, childGracePeriod, childTimeout } = readSupervisorOptions({ script: 'a', ...options }, env)
  return { gracePeriod, childGracePeriod, childTimeout }
}

t.test('a flag wins over a variable, a variable over package.json', async (t) => {
  const { options } = readConfig(
    { workers: '3', grace: '1.5m' },
    { GRACEFUL_RUN_WORKERS: '4', GRACEFUL_RUN_MIN_READY: '2', GRACEFUL_RUN_STATUS_HOST: '' },
    { workers: 5, minReady: 1, statusHost: '0.0.0.0', childTimeout: '500ms' }
  )
  t.same(options, { workers: 3, gracePeriod: 90_000, minReady: 2, statusHost: '0.0.0.0', childTimeout: 500 })
  t.same(readConfig({ workers: 'auto' }, {}, {}).options, { workers: 'auto' })
  for (const [flags, env, key, sticky] of [
    [{ sticky: 'true' }, {}, {}, true],
    [{ sticky: 'false' }, { GRACEFUL_RUN_STICKY: 'true' }, {}, false],
    [{}, { GRACEFUL_RUN_STICKY: 'true' }, { sticky: false }, true],
    [{}, {}, { sticky: true }, true]
  ] as const) {
    const { options } = readConfig(flags, env, key)
    t.same(options, { sticky })
    t.equal(readSupervisorOptions({ script: 'a', workers: 2, ...options }, {}).sticky, sticky)
  }
  t.equal(readSupervisorOptions({ script: 'a', sticky: true }, {}).sticky, false, 'with one child there is no other')
})

t.test('wrong values name the flag, the variable or the key', async (t) => {
  for (const [flags, env, key, message] of [
    [
      { workers: '0' }, {}, {},
      "fastify-graceful: option '--workers' must be an integer from 1 to 1024, or 'auto', got 0 (number)"
    ],
    [
      { workers: 'many' }, {}, {},
      "fastify-graceful: option '--workers' must be an integer from 1 to 1024, or 'auto', got \"many\" (text)"
    ],
    [
      { grace: '30' }, {}, {},
      "fastify-graceful: option '--grace' must be a time with its unit, such as 30s, 500ms or 2m, got \"30\" (text)"
    ],
    [
      {}, { GRACEFUL_RUN_MAX_CRASHES: '-1' }, {},
      "fastify-graceful: option 'GRACEFUL_RUN_MAX_CRASHES' must be an integer from 0 to 1000000, got \"-1\" (text)"
    ],
    [
      {}, {}, { startTimeout: 0 },
      "fastify-graceful: option '\"fastify-graceful\".startTimeout in package.json' must be "
        + 'a number of milliseconds from 1 to 2147483647, got 0 (number)'
    ],
    [
      {}, {}, { statusSocketMode: 400 },
      "fastify-graceful: option '\"fastify-graceful\".statusSocketMode in package.json' must be "
        + "a file mode from 0 to 0777, as text in octal ('0660'), got 400 (number)"
    ],
    [
      { 'status-socket-mode': '0999' }, {}, {},
      "fastify-graceful: option '--status-socket-mode' must be "
        + "a file mode from 0 to 0777, as text in octal ('0660') or as a number (0o660), got \"0999\" (string)"
    ],
    [
      { 'min-ready': '3' }, {}, { workers: 2 },
      "fastify-graceful: option '--min-ready' must be at most the number of workers (2), got 3 (number)"
    ],
    [
      { grace: '5s', 'child-timeout': '4s' }, {}, {},
      "fastify-graceful: option '--child-timeout' does not fit into the grace period: "
        + 'expected at most 3750 ms, so that children have a grace period of 1000 ms '
        + '(gracePeriod 5000 ms - childTimeout - 250 ms for the end of the supervisor), got 4000 ms'
    ],
    [
      { grace: '1s' }, {}, {},
      "fastify-graceful: option '--grace' does not fit into the grace period: "
        + 'expected more, so that children have a grace period of 1000 ms '
        + '(gracePeriod - childTimeout 166 ms - 50 ms for the end of the supervisor), got 1000 ms'
    ],
    [
      {}, { GRACEFUL_RUN_STICKY: '1' }, {},
      "fastify-graceful: option 'GRACEFUL_RUN_STICKY' must be a boolean, got \"1\" (string)"
    ],
    [
      {}, { GRACEFUL_RUN_STATUS_TOKEN: 'too short' }, {},
      "fastify-graceful: option 'GRACEFUL_RUN_STATUS_TOKEN' must be "
        + 'at least 16 visible ASCII characters, got a value that is not shown (string)'
    ],
    [
      { 'status-port': '1', 'status-socket': '/tmp/s' }, {}, {},
      "fastify-graceful: option '--status-socket' must be left out where --status-port is given, "
        + 'got "/tmp/s" (string)'
    ]
  ] as Array<[Record<string, string>, NodeJS.ProcessEnv, Record<string, unknown>, string]>) {
    t.throws(read(flags, env, key), { message })
  }
  t.throws(read({}, {}, { worker: 2 }), { code: 'FST_GRACEFUL_UNKNOWN_OPTION' })
  t.throws(() => readSupervisorOptions({ script: '' }, {}), { code: 'FST_GRACEFUL_INVALID_OPTION' })
  t.throws(() => readSupervisorOptions({ script: 'a', args: [1] } as unknown as SupervisorOptions, {}), {
    code: 'FST_GRACEFUL_INVALID_OPTION'
  })
})

t.test('what a program gives is checked as the options of the plugin are', async (t) => {
  const known = ['script', 'args', ...supervisorOptions.map(({ name }) => name), 'log', 'signals', 'exit'].join(', ')
  for (const [given, code, message] of [
    [
      undefined, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'options' must be an object, got undefined (undefined)"
    ],
    [
      null, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'options' must be an object, got null (null)"
    ],
    [
      ['app.js'], 'FST_GRACEFUL_INVALID_OPTION',
      "option 'options' must be an object, got a value that is not shown (array)"
    ],
    [
      {}, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'script' must be the path of the service's file, got undefined (undefined)"
    ],
    [
      { script: 'a', worker: 2 }, 'FST_GRACEFUL_UNKNOWN_OPTION',
      `unknown option 'worker', expected one of: ${known}`
    ],
    [
      { script: 'a', log: {} }, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'log' must be a logger with the methods info, warn and error, got {} (object)"
    ],
    [
      { script: 'a', log: console.log }, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'log' must be a logger with the methods info, warn and error, got function log (function)"
    ],
    [
      { script: 'a', exit: 0 }, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'exit' must be a boolean, got 0 (number)"
    ],
    [
      { script: 'a', signals: ['SIGTERM'] }, 'FST_GRACEFUL_INVALID_OPTION',
      "option 'signals' must be a boolean, got [\"SIGTERM\"] (array)"
    ]
  ] as const) {
    t.throws(() => readSuperviseOptions(given as unknown as SuperviseOptions, {}), {
      code,
      message: `fastify-graceful: ${message}`
    })
  }
  t.match(readSuperviseOptions({ script: 'a' }, {}), {
    log: undefined,
    signals: true,
    exit: true,
    settings: { script: 'a', workers: 1 }
  })
  t.match(readSuperviseOptions({ script: 'a', log: console, signals: false, exit: false }, {}), {
    log: console,
    signals: false,
    exit: false,
    settings: { terminationMessagePath: undefined }
  })
})

t.test("the service's file is looked for in the way of Node before anything is started", async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'graceful-script-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  await mkdir(join(root, 'service'))
  await mkdir(join(root, 'empty'))
  for (const file of ['app.js', 'app.mjs', 'other.mjs', 'service/index.js']) await writeFile(join(root, file), '')
  for (const found of ['app.js', 'app.mjs', 'app', 'service', 'service/']) {
    t.doesNotThrow(() => checkScript(join(root, found)), found)
  }
  for (const missing of ['gone.js', 'other', 'empty', 'app.js/x']) {
    const path = join(root, missing)
    t.throws(() => checkScript(path, () => '<file>'), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: "fastify-graceful: option '<file>' must be a file that Node can read and run, "
        + `got ${JSON.stringify(path)} (no such file)`
    })
  }
})

t.test('the grace period is one number for the whole tree', async (t) => {
  t.same(times({}, {}), { gracePeriod: 30_000, childGracePeriod: 24_000, childTimeout: 5000 })
  t.same(
    times({}, { TERMINATION_GRACE_PERIOD_SECONDS: '60' }),
    { gracePeriod: 60_000, childGracePeriod: 54_000, childTimeout: 5000 }
  )
  t.same(
    times({ gracePeriod: 12_000 }, { TERMINATION_GRACE_PERIOD_SECONDS: '60' }),
    { gracePeriod: 12_000, childGracePeriod: 9400, childTimeout: 2000 }
  )
  t.same(
    times({}, { PRESTOP_SECONDS: '10' }),
    { gracePeriod: 30_000, childGracePeriod: 24_000, childTimeout: 5000 },
    'a child takes it off by itself'
  )
  t.throws(() => times({ gracePeriod: 6000 }, { PRESTOP_SECONDS: '4' }), {
    message: "fastify-graceful: option 'gracePeriod' does not fit into the grace period: "
      + 'expected more, so that children have a grace period of 1000 ms '
      + '(gracePeriod - preStop 4000 ms - childTimeout 1000 ms - 300 ms for the end of the supervisor), got 6000 ms'
  })
  t.throws(() => times({ gracePeriod: 6000, childTimeout: 2000 }, { PRESTOP_SECONDS: '4' }), {
    message: /at most 700 ms, .*\(gracePeriod 6000 ms - preStop 4000 ms - childTimeout - /
  })
})

t.test('package.json is looked for upwards', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'graceful-config-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  await mkdir(join(root, 'a', 'b'), { recursive: true })
  const write = (content: unknown): Promise<void> =>
    writeFile(join(root, 'package.json'), typeof content === 'string' ? content : JSON.stringify(content))
  await write({ 'fastify-graceful': { workers: 2 } })
  t.same(readPackageKey(join(root, 'a', 'b')), { workers: 2 })
  await write({})
  t.same(readPackageKey(root), {})
  await write({ 'fastify-graceful': [] })
  t.throws(() => readPackageKey(root), { code: 'FST_GRACEFUL_INVALID_OPTION' })
  await write('{ no')
  t.throws(() => readPackageKey(root), { code: 'FST_GRACEFUL_INVALID_OPTION' })
  t.equal(workingDirectory(join(root, 'a', '..'), root), join(root, 'a', '..'), 'the same place by another name')
  t.equal(workingDirectory(tmpdir(), root), root)
  t.equal(workingDirectory(join(root, 'gone'), root), root)
  t.equal(workingDirectory(undefined, root), root)
})

t.test('auto means the cores that the control groups leave', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'graceful-cores-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const cores = availableParallelism()
  const put = async (file: string, content: string): Promise<void> => {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), content)
  }
  t.equal(usableCores(root), cores, 'no control groups')
  await put('proc/self/cgroup', '0::/\n')
  t.equal(usableCores(root), cores, 'no limit')
  for (const [content, expected] of [
    ['max 100000\n', cores],
    ['150000 100000\n', Math.min(1, cores)],
    ['20000 100000\n', 1],
    [`${(cores + 1) * 100_000} 100000\n`, cores],
    ['nonsense', cores]
  ] as const) {
    await put('sys/fs/cgroup/cpu.max', content)
    t.equal(usableCores(root), expected, content)
  }
  await put('proc/self/cgroup', '0::/system.slice/shop.service\n')
  await put('sys/fs/cgroup/system.slice/cpu.max', '100000 100000\n')
  await put('sys/fs/cgroup/system.slice/shop.service/cpu.max', 'max 100000\n')
  t.equal(usableCores(root), 1, 'a limit further out binds')

  await put('proc/self/cgroup', '2:cpuacct:/docker/1\n1:cpu,foo:/docker/1\n0::/gone\n')
  t.equal(usableCores(root), cores, 'the first version, without a limit')
  await put('sys/fs/cgroup/cpu,foo/cpu.cfs_period_us', '100000\n')
  await put('sys/fs/cgroup/cpu,foo/cpu.cfs_quota_us', '-1\n')
  t.equal(usableCores(root), cores, 'none is -1')
  await put('sys/fs/cgroup/cpu,foo/cpu.cfs_quota_us', '100000\n')
  t.equal(usableCores(root), 1, 'seen from a container')
  t.equal(readSupervisorOptions({ script: 'a', workers: 'auto' }, {}).workers, usableCores())
})

/** Code, standard output and standard error of a command that was written wrongly. */
const wrong = (message: string, way = 'run '): unknown[] =>
  [64, /^$/, `fastify-graceful: ${message}\nSee fastify-graceful ${way}--help\n`]

t.test('the command line: help on standard output, what was wrong on standard error with code 64', async (t) => {
  const run = async (...args: string[]): Promise<[code: number | null, out: string, errors: string]> => {
    const tree = start(t, args)
    const [code] = await tree.result
    return [code, tree.stream('stdout'), tree.stream('stderr')]
  }
  const [runHelp, overview] = [
    /^Usage: fastify-graceful run [^]*--child-timeout +GRACEFUL_RUN_CHILD_TIMEOUT/,
    /^Usage: fastify-graceful <command>[^]*run +runs a service/
  ]
  const table: Array<[args: string[], expected: unknown[]]> = [
    [
      ['walk'],
      wrong("expected one of the commands run, status, probe, drill, report, got 'walk'", '')
    ],
    [
      ['run'],
      wrong("run: expected the path of the service's file, got none")
    ],
    [
      ['run', '--workers', service],
      wrong(`run: expected the path of the service's file, got none: '${service}' is the value of --workers`)
    ],
    [
      ['run', '--status-token', service],
      wrong("run: expected the path of the service's file, got none")
    ],
    [
      ['run', '--workers', '-1', service],
      wrong("option '--workers' must be an integer from 1 to 1024, or 'auto', got \"-1\" (text)")
    ],
    [
      ['run', '--workers', 'x', service],
      wrong("option '--workers' must be an integer from 1 to 1024, or 'auto', got \"x\" (text)")
    ],
    [
      ['run', '--workers', '--grace', '5s', service],
      wrong("run: option '--workers' must be followed by an integer from 1 to 1024, or 'auto', "
        + 'got another option (what begins with - is written as --workers=-...)')
    ],
    [
      ['run', '--grace'],
      wrong("run: option '--grace' must be followed by a time with its unit, such as 30s, 500ms or 2m, got nothing")
    ],
    [
      ['run', '--worker', '2', service],
      wrong("run: unknown option '--worker', "
        + `expected one of: ${supervisorOptions.map((option) => `--${flagOf(option)}`).join(', ')}`)
    ],
    [
      ['run', '--sticky=yes', service],
      wrong("option '--sticky' must be a boolean, got \"yes\" (string)")
    ],
    [
      ['run', '--sticky', '--workers', '0', service],
      wrong("option '--workers' must be an integer from 1 to 1024, or 'auto', got 0 (number)")
    ],
    [
      ['run', '--workers', '1', '--sticky', `${service}.gone`],
      wrong("option '<file>' must be a file that Node can read and run, "
        + `got ${JSON.stringify(`${service}.gone`)} (no such file)`)
    ],
    [
      ['run', '-w4', service],
      [64, /^$/, /run: unknown option '-w'/]
    ],
    [
      ['run', `${service}.gone`],
      wrong("option '<file>' must be a file that Node can read and run, "
        + `got ${JSON.stringify(`${service}.gone`)} (no such file)`)
    ],
    ...[
      ['run', '--help'],
      ['run', '-h'],
      ['run', '--workers', '2', '-h', service],
      ['run', '--workers', '--help'],
      ['help', 'run']
    ].map((args): [string[], unknown[]] => [args, [0, runHelp, /^$/]]),
    ...[[], ['--help'], ['-h'], ['help']].map((args): [string[], unknown[]] => [args, [0, overview, /^$/]]),
    [
      ['--version'],
      [0, /^\d+\.\d+\.\d+\S*\n$/, /^$/]
    ],
    [
      ['run', '--max-crashes', '0', fileURLToPath(new URL('fixtures/exits.js', import.meta.url)), '2', '--help', '-h'],
      [2, /supervisor ends with code 2/, /not there/]
    ]
  ]
  await Promise.all(table.map(async ([args, expected]) => t.match(await run(...args), expected, args.join(' '))))
})

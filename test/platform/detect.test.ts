import t from 'tap'
import { readEnvironment } from '../../lib/environment.ts'
import { readOptions } from '../../lib/options.ts'
import type { GracefulOptions } from '../../lib/options.ts'
import { platforms, recognise } from '../../lib/platform/detect.ts'
import { nameOf } from '../../lib/platform/surroundings.ts'
import type { Settings } from '../../lib/settings.ts'
import { readSupervisorOptions } from '../../lib/supervisor/read-options.ts'

const id = '0123456789abcdef0123456789abcdef'
const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
const unit = { INVOCATION_ID: id, SYSTEMD_EXEC_PID: String(process.pid) }

interface Expected {
  /** As its documentation shows it; undefined where it has to be named. */
  env?: NodeJS.ProcessEnv
  gracePeriod: number
  /** Where it is named. */
  named?: number
  min?: number
  blind?: number
  failures?: number
}

/** What follows from each row, in the order of precedence. */
const expected: Record<string, Expected> = {
  platformatic: { gracePeriod: 10_000, failures: 3 },
  lambda: { env: { AWS_LAMBDA_FUNCTION_NAME: 'shop' }, gracePeriod: 1000, failures: 0 },
  'azure-container-apps': {
    env: { CONTAINER_APP_NAME: 'shop', CONTAINER_APP_REVISION: 'shop--20mh1s9' }, gracePeriod: 30_000, min: 5000,
    blind: 15_000, failures: 3
  },
  'azure-app-service': {
    env: { WEBSITE_SITE_NAME: 'shop', WEBSITE_RESOURCE_GROUP: 'shops' }, gracePeriod: 5000, min: 2417, blind: 2417,
    failures: 3
  },
  render: { env: { RENDER: 'true', RENDER_SERVICE_ID: 'srv-1' }, gracePeriod: 30_000, failures: 0 },
  railway: { env: { RAILWAY_PROJECT_ID: id, RAILWAY_SERVICE_ID: id }, gracePeriod: 1000, failures: 0 },
  fly: {
    env: { FLY_APP_NAME: 'shop', FLY_MACHINE_ID: '683720eb5127d8' }, gracePeriod: 5000, min: 2417, blind: 2417,
    failures: 3
  },
  heroku: { env: { DYNO: 'web.1' }, gracePeriod: 30_000, min: 5000, blind: 5000, failures: 3 },
  koyeb: {
    env: { KOYEB_APP_NAME: 'shop', KOYEB_SERVICE_NAME: 'web' }, gracePeriod: 10_000, min: 4834, blind: 4834,
    failures: 3
  },
  ecs: {
    env: { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/1' }, gracePeriod: 30_000, min: 8000, blind: 8000,
    failures: 0
  },
  'app-engine': {
    env: { GAE_SERVICE: 'default', GAE_INSTANCE: '00c6' }, gracePeriod: 10_000, min: 4834, blind: 4834, failures: 3
  },
  kubernetes: { env: pod, gracePeriod: 30_000, min: 5000, blind: 15_000, failures: 0 },
  'cloud-functions': { env: { FUNCTION_TARGET: 'shop', K_SERVICE: 'shop' }, gracePeriod: 10_000, failures: 0 },
  'cloud-run': { env: { K_SERVICE: 'shop', K_REVISION: 'shop-00001' }, gracePeriod: 10_000, failures: 0 },
  nomad: {
    env: { NOMAD_ALLOC_ID: id, NOMAD_JOB_NAME: 'shop' }, gracePeriod: 5000, min: 2417, blind: 2417, failures: 0
  },
  pm2: { env: { pm_id: '0' }, gracePeriod: 1600, failures: 3 },
  systemd: { env: unit, gracePeriod: 30_000, named: 90_000, failures: 3 },
  digitalocean: { gracePeriod: 120_000, failures: 0 },
  northflank: { gracePeriod: 10_000, min: 4834, blind: 4834, failures: 3 },
  swarm: { gracePeriod: 10_000, min: 2000, blind: 2000, failures: 3 },
  docker: { gracePeriod: 10_000, failures: 3 }
}

const read = (env: NodeJS.ProcessEnv, options: GracefulOptions = {}): Settings =>
  readOptions(options, readEnvironment(env))
const where = (env: NodeJS.ProcessEnv, options?: GracefulOptions): string | undefined =>
  nameOf(read(env, options).surroundings)

/** The variables of several platforms. */
const of = (...names: string[]): NodeJS.ProcessEnv => Object.assign({}, ...names.map((name) => expected[name]!.env))
const tree = (env: NodeJS.ProcessEnv, options = {}): unknown =>
  readSupervisorOptions({ script: 'a.js', ...options }, env)

t.test('every row has its case here, in its order', async (t) => {
  t.same(platforms.map(({ name }) => name), Object.keys(expected))
})

for (const [name, { env, gracePeriod, named = gracePeriod, min = 0, blind = 0, failures }] of Object.entries(expected)) {
  // Scenario (Boot): Where the service runs is recognised by documented variables, and gives the defaults
  t.test(`platform ${name}`, async (t) => {
    const platform = platforms.find((one) => one.name === name)!
    const defaults = {
      budget: { announce: { min, blind } },
      front: { failures, isKnown: platform.late !== undefined },
      signals: { [platform.signal]: 'shutdown', SIGTERM: 'shutdown', SIGHUP: name === 'kubernetes' ? 'ignore' : 'restart' },
      inKubernetes: name === 'kubernetes',
      announceOnClose: name === 'platformatic'
    }
    const ofIt = read({}, { platform: name })
    t.match(ofIt, { ...defaults, graceFrom: 'platform', budget: { gracePeriod: named } }, 'named by an option')
    t.match(read({ GRACEFUL_PLATFORM: name }), { budget: { gracePeriod: named } }, 'named by a variable')
    t.equal(where({ GRACEFUL_PLATFORM: name }), name)
    t.match(read({ ...pod, ...unit, pm_id: '1' }, { platform: name }), defaults, 'whatever the environment shows')
    t.match(
      read({ TERMINATION_GRACE_PERIOD_SECONDS: '45', GRACEFUL_ANNOUNCE_MIN_SECONDS: '7' }, { platform: name }),
      { graceFrom: 'given', budget: { gracePeriod: 45_000, announce: { min: 7000 } } },
      'variables win'
    )
    t.match(
      read({ TERMINATION_GRACE_PERIOD_SECONDS: '45' }, {
        platform: name, gracePeriod: 50_000, announce: { min: 1, failures: 9 }, signals: { SIGTERM: 'restart' }
      }),
      { budget: { gracePeriod: 50_000, announce: { min: 1 } }, front: { failures: 9 }, signals: { SIGTERM: 'restart' } },
      'and options over them'
    )
    if (env === undefined) return
    t.equal(where(env), name, 'recognised')
    t.match(read(env), { ...defaults, graceFrom: 'platform', budget: { gracePeriod } })
    t.equal(where(env, { platform: false }), undefined)
    t.equal(where({ ...env, GRACEFUL_PLATFORM: 'false' }), undefined)
    t.match(read(env, { platform: false }), { budget: { gracePeriod: 30_000, announce: { min: 0 } } })
    for (const variable of Object.keys(platform.env)) {
      for (const blank of ['', ' ', '\t\n']) {
        t.not(where({ ...env, [variable]: blank }), name, `a blank ${variable}`)
      }
      const { [variable]: _, ...others } = env
      t.not(where(others), name, `no ${variable}`)
    }
  })
}

t.test('what has another form than the platform gives it shows nothing', async (t) => {
  for (const env of [
    { RENDER: '1', RENDER_SERVICE_ID: 'x' }, { DYNO: 'x' }, { DYNO: '1.web' }, { pm_id: 'x' }, { pm_id: '-1' },
    { INVOCATION_ID: 'x', SYSTEMD_EXEC_PID: String(process.pid) }
  ]) t.equal(where(env), undefined, JSON.stringify(env))
  t.equal(where({ ...unit, SYSTEMD_EXEC_PID: '1' }), undefined, 'a shell of a session hands its variables on')
  t.equal(where({ ...unit, SYSTEMD_EXEC_PID: String(process.ppid) }), 'systemd', 'its parent was started by systemd')
  const { SYSTEMD_EXEC_PID: _, ...old } = unit
  t.equal(where(old), process.ppid === 1 ? 'systemd' : undefined, 'before systemd 248')
  for (const variable of ['KUBERNETES_SERVICE_HOST', 'DYNO', 'pm_id', 'platform', 'GRACEFUL_PLATFORM']) {
    // oxlint-disable-next-line no-extend-native -- that is what is tried
    Object.defineProperty(Object.prototype, variable, { value: 'web.1', configurable: true })
    t.equal(where({}), undefined, `${variable} on Object.prototype`)
    Reflect.deleteProperty(Object.prototype, variable)
  }
})

// Scenario (Boot): Two platforms at once: the order of precedence, and process managers inside of a platform
t.test('two at once', async (t) => {
  const rows: Array<[env: NodeJS.ProcessEnv, name: string, gracePeriod: number, min: number]> = [
    [of('kubernetes', 'systemd'), 'systemd on kubernetes', 30_000, 5000],
    [{ ...of('kubernetes', 'systemd'), SYSTEMD_EXEC_PID: '1' }, 'kubernetes', 30_000, 5000],
    [of('ecs', 'pm2'), 'pm2 on ecs', 1600, 774],
    [{ ...of('ecs', 'pm2'), kill_timeout: '20000' }, 'pm2 on ecs', 20_000, 8000],
    [{ ...of('ecs', 'pm2'), kill_timeout: '60000' }, 'pm2 on ecs', 30_000, 8000],
    [of('kubernetes', 'pm2'), 'pm2 on kubernetes', 1600, 774],
    [of('cloud-run', 'kubernetes'), 'kubernetes', 30_000, 5000],
    [of('azure-container-apps', 'kubernetes'), 'azure-container-apps', 30_000, 5000],
    [of('render', 'kubernetes'), 'render', 30_000, 0],
    [of('cloud-functions', 'cloud-run'), 'cloud-functions', 10_000, 0],
    [of('ecs', 'fly'), 'fly', 5000, 2417],
    [of('pm2', 'systemd'), 'systemd on pm2', 1600, 0]
  ]
  for (const [env, name, gracePeriod, min] of rows) {
    t.equal(where(env), name)
    t.match(read(env).budget, { gracePeriod, announce: { min } }, name)
  }
  t.equal(where(of('kubernetes', 'pm2'), { kubernetes: false }), 'pm2', 'not in a pod, whatever the environment says')
  t.equal(where({}, { platform: 'kubernetes', kubernetes: false }), undefined)
  t.same(recognise({}, { gracePeriod: 7000 }).map(({ grace }) => grace), [7], "Platformatic's runtime says how long")
})

t.test('what a platform shows of its time is taken, and nothing that is no number', async (t) => {
  const { env: railway } = expected['railway']!
  for (const [text, gracePeriod] of [
    ['45', 45_000], ['2.5', 2500], ['0', 1000], ['', 1000], [' ', 1000], ['30s', 1000], ['-5', 1000], ['1e9', 1000],
    ['99999999', 2 ** 31 - 1]
  ] as const) {
    t.match(read({ ...railway, RAILWAY_DEPLOYMENT_DRAINING_SECONDS: text }).budget, { gracePeriod }, `'${text}'`)
  }
  t.match(read({ pm_id: '0', kill_timeout: '3000' }).budget, { gracePeriod: 3000 })
  t.match(
    read({ ...expected['azure-app-service']!.env, WEBSITES_CONTAINER_STOP_TIME_LIMIT: '120' }).budget,
    { gracePeriod: 120_000 }
  )
})

// Scenario (Boot): A platform gives less time than the times that were set need: they are kept to, and a line says so
t.test('what is assumed refuses nothing that was said', async (t) => {
  const { env: fly } = expected['fly']!
  for (const options of [
    { announce: { min: 8000 } }, { close: 6000 }, { preStop: 5000 }, { probes: { external: { path: '/up', delay: 5000 } } }
  ]) {
    t.match(read(fly!, options), { graceFrom: 'yielded', budget: { gracePeriod: 30_000 } }, JSON.stringify(options))
  }
  t.match(read({ ...fly, PRESTOP_SECONDS: '6' }), { graceFrom: 'yielded', budget: { gracePeriod: 30_000 } })
  t.throws(() => read(fly!, { announce: { min: 29_000 } }), { code: 'FST_GRACEFUL_BUDGET', message: /announce.max/ })
  t.throws(() => read(fly!, { gracePeriod: 5000, announce: { min: 4900 } }), { code: 'FST_GRACEFUL_BUDGET' })
  t.throws(() => read(fly!, { announce: { min: -1 } }), { code: 'FST_GRACEFUL_INVALID_OPTION' })
})

t.test('a platform that nobody knows', async (t) => {
  t.throws(() => read({}, { platform: 'aws' }), {
    code: 'FST_GRACEFUL_INVALID_OPTION',
    message: /^fastify-graceful: option 'platform' must be one of "auto", false, "platformatic", .*"docker", got "aws" \(string\)$/
  })
  t.throws(() => read({ GRACEFUL_PLATFORM: 'aws' }), {
    code: 'FST_GRACEFUL_INVALID_ENVIRONMENT',
    message: /variable 'GRACEFUL_PLATFORM' must be one of "auto", false, .*, got 'aws'$/
  })
  t.equal(where({ GRACEFUL_PLATFORM: '', ...pod }), 'kubernetes', 'an empty one is not set')
  t.equal(where({ GRACEFUL_PLATFORM: 'fly' }, { platform: 'ecs' }), 'ecs', 'options win')
})

t.test('a supervisor goes by it as well', async (t) => {
  t.match(tree({}), { gracePeriod: 30_000, graceFrom: 'platform', inKubernetes: false })
  t.match(tree(pod), { gracePeriod: 30_000, inKubernetes: true, inService: true })
  t.match(tree(expected['koyeb']!.env!), { gracePeriod: 10_000, graceFrom: 'platform' })
  t.match(tree({ GRACEFUL_PLATFORM: 'digitalocean' }), { gracePeriod: 120_000 })
  t.match(tree(expected['koyeb']!.env!, { gracePeriod: 20_000 }), { gracePeriod: 20_000, graceFrom: 'given' })
  t.match(tree({ pm_id: '0' }), { gracePeriod: 1600, graceFrom: 'platform' })
  t.match(tree({ GRACEFUL_PLATFORM: 'lambda' }), { gracePeriod: 30_000, graceFrom: 'yielded' }, 'too short for children')
  t.throws(() => tree({ pm_id: '0' }, { childTimeout: 30_000 }), { code: 'FST_GRACEFUL_BUDGET' })
})

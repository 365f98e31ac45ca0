import t from 'tap'
import { readEnvironment } from '../../lib/environment.ts'
import { platformLine } from '../../lib/platform/surroundings.ts'
import type { PlatformLine } from '../../lib/platform/surroundings.ts'
import { readOptions } from '../../lib/options.ts'
import type { GracefulOptions } from '../../lib/options.ts'
import { fork, listening } from '../process/fork.ts'
import { service as served, start } from '../supervisor/tree.ts'

t.jobs = 4

const told = Symbol.for('fastify-graceful.platform')

/** The line that such a process says. */
function lineOf (env: NodeJS.ProcessEnv, options: GracefulOptions = {}): PlatformLine | undefined {
  Reflect.deleteProperty(globalThis, told)
  const { surroundings, graceFrom, inService, budget } = readOptions(options, readEnvironment(env))
  const { gracePeriod, announce: { min } } = budget
  return platformLine({ surroundings, graceFrom, inService, gracePeriod, announceMin: min })
}

const otherwise = '. If that is wrong, set gracePeriod (TERMINATION_GRACE_PERIOD_SECONDS), announce.min, or platform '
  + '(GRACEFUL_PLATFORM)'
const fly = { FLY_APP_NAME: 'shop', FLY_MACHINE_ID: 'x' }

t.test('what the line says', async (t) => {
  for (const [env, options, level, platform, text] of [
    [fly, {}, 'info', 'fly', 'platform: Fly.io, by FLY_APP_NAME, FLY_MACHINE_ID; SIGKILL 5 s after SIGINT is assumed (set '
      + 'by: kill_timeout in fly.toml, at most 300); it is not documented when the load balancer stops sending, so phase '
      + '1 lasts at least 2.417 s'],
    [fly, { gracePeriod: 60_000 }, 'info', 'fly', 'platform: Fly.io, by FLY_APP_NAME, FLY_MACHINE_ID; SIGKILL 60 s after '
      + 'SIGINT, as given; it is not documented when the load balancer stops sending, so phase 1 lasts at least 5 s'],
    [fly, { announce: { min: 8000 } }, 'warn', 'fly', 'platform: Fly.io, by FLY_APP_NAME, FLY_MACHINE_ID; SIGKILL 5 s '
      + 'after SIGINT is what it gives by default (set by: kill_timeout in fly.toml, at most 300), but the times that '
      + 'were set need more: 30 s are planned; it is not documented when the load balancer stops sending, so phase 1 '
      + 'lasts at least 8 s'],
    [{}, { platform: 'docker' }, 'info', 'docker', 'platform: Docker, Compose, as named; SIGKILL 10 s after SIGTERM is '
      + 'assumed (set by: docker stop --time or stop_grace_period)'],
    [{ pm_id: '0', ECS_CONTAINER_METADATA_URI_V4: 'http://x' }, {}, 'info', 'pm2 on ecs', 'platform: pm2 on Amazon ECS, '
      + 'by ECS_CONTAINER_METADATA_URI_V4, pm_id; SIGKILL 1.6 s after SIGINT is assumed (set by: kill_timeout); the '
      + 'load balancer stops sending after the signal, so phase 1 lasts at least 0.774 s'],
    [{ AWS_LAMBDA_FUNCTION_NAME: 'x' }, {}, 'info', 'lambda', 'platform: AWS Lambda, by AWS_LAMBDA_FUNCTION_NAME (not '
      + 'a long-running server: there is only time for a flush); SIGKILL 1 s after SIGTERM is assumed (set by: nothing); '
      + 'the load balancer has stopped sending by then'],
    [{ NODE_ENV: 'production' }, {}, 'info', undefined, 'no platform was detected; SIGKILL 30 s after SIGTERM is '
      + 'assumed'],
    [{ NODE_ENV: 'production' }, { gracePeriod: 9000 }, 'info', undefined, 'no platform was detected; SIGKILL 9 s after '
      + 'SIGTERM, as given']
  ] as Array<[NodeJS.ProcessEnv, GracefulOptions, string, string | undefined, string]>) {
    t.match(lineOf(env, options), { level, fields: { event: 'graceful.platform', platform }, message: text + otherwise })
  }
  t.equal(lineOf({}), undefined, 'nothing is known, and it is no production')
  t.equal(lineOf({ ...fly, NODE_ENV: 'production' }, { platform: false }), undefined, 'nobody wants to know')
  const once = readOptions({}, readEnvironment(fly))
  const facts = { ...once, gracePeriod: 5000, announceMin: 0 }
  Reflect.deleteProperty(globalThis, told)
  t.ok(platformLine(facts))
  t.equal(platformLine(facts), undefined, 'once per process')
})

const lines = (output: string): string[] => output.split('\n').filter((line) => line.includes('"graceful.platform"'))

// Scenario (Boot): One line says where the service runs and what is assumed there, once per process
t.test('a process of several applications says it once, when the first one listens', async (t) => {
  const service = fork('several.js', { env: fly, given: { fastify: { logger: true } } })
  await service.waitForLine(/^SIGTERM listeners/m)
  await service.waitForLine(/"graceful.platform"/)
  service.kill('SIGINT')
  t.match(await service.result, [0, null])
  const [line, ...more] = lines(service.output())
  t.same(more, [], 'once')
  t.match(JSON.parse(line!), { level: 30, platform: 'fly', gracePeriod: 5000, msg: /^fastify-graceful: platform: Fly.io/ })
})

t.test('who never listens says nothing, nor does a logger of another level', async (t) => {
  const injected = fork('injected.js', { env: fly, given: { fastify: { logger: true } } })
  const [code, , output] = await injected.result
  t.equal(code, 0, output)
  t.match(output, /^injected 200$/m)
  t.same(lines(output), [])
  const quiet = fork('app.js', { env: fly, given: { fastify: { logger: { level: 'warn' } } } })
  await listening(quiet)
  quiet.kill('SIGTERM')
  t.match(await quiet.result, [0, null])
  t.same(lines(quiet.output()), [])
})

// Scenario (Boot): A supervisor says it for its children, which have its view of the platform
t.test('a supervisor says it for its children', async (t) => {
  const tree = start(t, ['run', '--workers', '2', served], { env: { ECS_CONTAINER_METADATA_URI_V4: 'http://127.0.0.1/' } })
  await tree.ready()
  const told = lines(tree.output()).map((line) => JSON.parse(line) as object)
  t.match(told, [{ name: 'fastify-graceful', level: 30, platform: 'ecs', gracePeriod: 30_000 }])
  t.equal(told.length, 1)
  tree.child.kill('SIGTERM')
  t.same(await tree.result, [0, null])
})

import t from 'tap'
import Fastify from 'fastify'
import type { FastifyContextConfig, FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { expectTypeOf } from 'expect-type'
import graceful, { errors, fastifyGraceful, phases } from '../lib/index.ts'
import type {
  AddedCheck, AdminOptions, Answer, Check, CheckContext, CheckKind, CheckOptions, Cut, Graceful, GracefulOptions,
  Hold, HoldOptions, HookContext, HookOptions, HookPhase, Participant, Phase, PhaseEnd, PhaseHook, PhaseRecord,
  PressureOptions, Registration, Report, Shed, ShutdownKind, ShutdownOptions, SignalAction, StallPhase, Status,
  TrafficSummary, WorkOptions
} from '../lib/index.ts'

// What is expected here is checked by `tsc -p test`. Nothing of it is called.

/** The plugin and its options. */
function checkPlugin (app: FastifyInstance): void {
  expectTypeOf(graceful).toExtend<FastifyPluginAsync<GracefulOptions>>()
  expectTypeOf(fastifyGraceful).toEqualTypeOf(graceful)
  expectTypeOf(fastifyGraceful.phases).toEqualTypeOf(phases)
  expectTypeOf(fastifyGraceful.errors).toEqualTypeOf(errors)
  expectTypeOf(fastifyGraceful.fastifyGraceful).toExtend<FastifyPluginAsync<GracefulOptions>>()

  app.register(graceful)
  app.register(graceful, {})
  app.register(graceful, {
    gracePeriod: 30_000,
    announce: { min: 1, shed: 'off' },
    signals: { SIGUSR2: 'restart', SIGHUP: false },
    probes: false,
    admin: { token: ['a', 'b'] },
    pressure: { readiness: true, maxEventLoopDelay: 5 }
  })
  app.register(import('../lib/index.ts'))
  app.register(graceful, { closeWith: async () => {}, admin: { authorize: async (request) => request.ip === '::1' } })
  // @ts-expect-error a time is a number
  app.register(graceful, { gracePeriod: '30s' })
  // @ts-expect-error no such option
  app.register(graceful, { timeout: 5 })
  // @ts-expect-error no such option of a group
  app.register(graceful, { announce: { minimum: 5 } })
  // @ts-expect-error not a way to shed
  app.register(graceful, { announce: { shed: 'sometimes' } })
  // @ts-expect-error not an action
  app.register(graceful, { signals: { SIGTERM: 'stop' } })
  // @ts-expect-error true switches nothing on
  app.register(graceful, { probes: true })
  // @ts-expect-error authorize must answer
  app.register(graceful, { admin: { authorize: () => {} } })

  expectTypeOf<GracefulOptions['admin']>().toEqualTypeOf<AdminOptions | false | undefined>()
  expectTypeOf<GracefulOptions['pressure']>().toEqualTypeOf<PressureOptions | false | undefined>()
  expectTypeOf<GracefulOptions['signals']>().toEqualTypeOf<Record<string, SignalAction> | undefined>()
  expectTypeOf<SignalAction>().toEqualTypeOf<'shutdown' | 'restart' | 'ignore' | false>()
  expectTypeOf<Shed>().toEqualTypeOf<'gradual' | 'immediate' | 'off'>()
}

/** What the plugin adds to Fastify. */
function checkAugmentation (app: FastifyInstance, request: FastifyRequest, config: FastifyContextConfig): void {
  expectTypeOf(app.graceful).toEqualTypeOf<Graceful>()
  expectTypeOf(request.drainSignal).toEqualTypeOf<AbortSignal>()
  expectTypeOf(config.graceful).toEqualTypeOf<{ traffic?: boolean, probe?: boolean, stream?: boolean } | undefined>()
  app.get('/ping', { config: { graceful: { traffic: false } } }, async (request) => {
    expectTypeOf(request.drainSignal).toEqualTypeOf<AbortSignal>()
    expectTypeOf(request.server.graceful).toEqualTypeOf<Graceful>()
  })
  // @ts-expect-error traffic is a boolean
  app.get('/ping', { config: { graceful: { traffic: 'no' } } }, async () => {})
  // @ts-expect-error read only
  request.drainSignal = new AbortController().signal
}

/** `app.graceful`. */
function checkFace (face: Graceful): void {
  expectTypeOf(face.phase).toEqualTypeOf<Phase>()
  expectTypeOf(face.phases).toEqualTypeOf<readonly Phase[]>()
  expectTypeOf(face.deadline).toEqualTypeOf<number | undefined>()
  expectTypeOf(face.signal).toEqualTypeOf<AbortSignal>()
  expectTypeOf(face.shutdown).parameters.toEqualTypeOf<[options?: ShutdownOptions | undefined]>()
  expectTypeOf(face.shutdown).returns.toEqualTypeOf<Promise<Report>>()
  expectTypeOf(face.stall).parameters.toEqualTypeOf<[name: string, participant: Participant]>()
  expectTypeOf(face.stall).returns.toEqualTypeOf<Registration>()
  expectTypeOf(face.addHook).parameters.toEqualTypeOf<[
    phase: HookPhase, hook: PhaseHook, options?: HookOptions | undefined
  ]>()
  expectTypeOf(face.addHook).returns.toEqualTypeOf<Registration>()
  expectTypeOf(face.waitUntil).parameters.toEqualTypeOf<[
    promise: PromiseLike<unknown>, options?: WorkOptions | undefined
  ]>()
  expectTypeOf(face.hold).parameters.toEqualTypeOf<[reason: string, options?: HoldOptions | undefined]>()
  expectTypeOf(face.hold).returns.toEqualTypeOf<Hold>()
  expectTypeOf(face.ready).returns.toEqualTypeOf<Promise<boolean>>()
  expectTypeOf(face.addCheck).parameters.toEqualTypeOf<[
    name: string, check: Check, options?: CheckOptions | undefined
  ]>()
  expectTypeOf(face.addCheck).returns.toEqualTypeOf<AddedCheck>()
  expectTypeOf(face.status).returns.toEqualTypeOf<Status>()
  expectTypeOf<Registration>().toExtend<Disposable>()
  expectTypeOf<Hold>().toExtend<Disposable>()
  expectTypeOf<AddedCheck>().toExtend<Disposable>()

  face.stall('sync', (phase, elapsed) => phase === 'draining' && elapsed < 5)
  face.stall('reason', () => 'not yet')
  face.stall('nothing', () => {})
  face.stall('async', async () => Math.random() > 0.5 ? 'not yet' : false)
  // @ts-expect-error a number is no answer
  face.stall('wrong', () => 5)
  // @ts-expect-error nor is it one later
  face.stall('wrong', async () => ({}))
  // @ts-expect-error nobody is asked before the end begins
  face.stall('wrong', (phase) => phase === 'running')
  // @ts-expect-error the name comes first
  face.stall(() => true)

  face.addHook('closing', async ({ phase, reason, deadline, signal }) => {
    expectTypeOf(phase).toEqualTypeOf<HookPhase>()
    expectTypeOf(reason).toEqualTypeOf<string>()
    expectTypeOf(deadline).toEqualTypeOf<number | undefined>()
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
  }, { name: 'x', timeout: 5 })
  // @ts-expect-error nothing happens when the service starts to run
  face.addHook('running', () => {})
  // @ts-expect-error no such option
  face.addHook('closing', () => {}, { time: 5 })
  // @ts-expect-error work is a promise
  face.waitUntil(() => {})
  // @ts-expect-error a hold has a reason
  face.hold()
  // @ts-expect-error the phase is not for writing
  face.phase = 'closing'
  face.addCheck('db', async ({ signal }) => !signal.aborted, { kinds: ['liveness'], timeout: 5, ttl: 5 })
  // @ts-expect-error no such kind
  face.addCheck('db', () => true, { kinds: ['health'] })
  // @ts-expect-error an exit code is a number
  void face.shutdown({ exitCode: '1' })
}

/** The data. */
function checkData (report: Report, context: HookContext, status: Status): void {
  expectTypeOf<Phase>().toEqualTypeOf<'running' | 'announcing' | 'closing' | 'draining' | 'terminated'>()
  expectTypeOf<StallPhase>().toEqualTypeOf<'announcing' | 'closing' | 'draining'>()
  expectTypeOf<HookPhase>().toEqualTypeOf<'announcing' | 'closing' | 'draining' | 'terminated'>()
  expectTypeOf<Exclude<Awaited<ReturnType<Participant>>, undefined | void>>().toEqualTypeOf<boolean | string>()
  expectTypeOf<boolean>().toExtend<Answer>()
  expectTypeOf<CheckKind>().toEqualTypeOf<'liveness' | 'readiness' | 'startup'>()
  expectTypeOf<CheckContext>().toHaveProperty('signal')
  expectTypeOf(report.verdict).toEqualTypeOf<'clean' | 'cut' | 'failed'>()
  expectTypeOf(report.kind).toEqualTypeOf<ShutdownKind>()
  expectTypeOf(report.phases).toEqualTypeOf<PhaseRecord[]>()
  expectTypeOf(report.phases[0]!.endedBy).toEqualTypeOf<PhaseEnd>()
  expectTypeOf(report.cut).toEqualTypeOf<Cut>()
  expectTypeOf(report.traffic).toEqualTypeOf<TrafficSummary>()
  expectTypeOf(report.advice).toEqualTypeOf<string[]>()
  expectTypeOf(context.phase).toEqualTypeOf<HookPhase>()
  expectTypeOf(status.report).toEqualTypeOf<Report | undefined>()
  expectTypeOf(status.phase).toEqualTypeOf<Phase>()
  expectTypeOf(errors.FST_GRACEFUL_ILLEGAL_MOVE.prototype.statusCode).toExtend<number | undefined>()
}

t.test('the types hold at run time as well', async (t) => {
  t.same(
    [checkPlugin, checkAugmentation, checkFace, checkData].map((check) => typeof check),
    ['function', 'function', 'function', 'function']
  )
  t.equal(fastifyGraceful.fastifyGraceful, fastifyGraceful, 'what require() answers')
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(graceful, { exit: false })
  app.get('/', async (request) => {
    t.ok(request.drainSignal instanceof AbortSignal)
    return request.server.graceful.phase
  })
  t.equal((await app.inject('/')).body, 'running')
  t.equal(app.graceful.phases, phases)
  for (const [code, Constructor] of Object.entries(errors)) {
    t.equal(new (Constructor as unknown as new () => { code: string })().code, code)
  }
})

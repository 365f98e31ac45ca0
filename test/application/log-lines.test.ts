import t from 'tap'
import type { Test } from 'tap'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { GracefulOptions } from '../../lib/index.ts'
import { prefixed } from '../../lib/log.ts'
import { ShutdownLog, waitingInterval } from '../../lib/application/log-lines.ts'
import { bind, build, until } from '../support/app.ts'
import { World } from '../support/lifecycle.ts'
import type { WorldOptions } from '../support/lifecycle.ts'

type Line = Record<string, unknown> & {
  level: number
  msg: string
  event?: string
  err?: { message: string, stack: string }
}

interface Told { app: FastifyInstance, lines: Line[], of: (event: string) => Line[] }

/** An application whose log is written down. */
function tell (t: Test, options: GracefulOptions = {}, level = 'info'): Told {
  const lines: Line[] = []
  const app = build(options, {
    logger: { level, stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } }
  })
  t.teardown(() => app.close())
  return { app, lines, of: (event) => lines.filter((line) => line.event === `graceful.${event}`) }
}

function brokenParticipant (): never { throw new Error('no queue') }

// Scenario (Logs): What was thrown is told with its stack (close-with-grace)
t.test('a failure is told with the stack of what was thrown', async (t) => {
  const { app, of } = tell(t)
  app.addHook('onClose', async () => { throw new Error('no pool') })
  await bind(app)
  const { graceful } = app
  graceful.stall('queue', brokenParticipant)
  graceful.stall('slow queue', async (phase) => { if (phase === 'draining') throw new Error('no slow queue') })
  graceful.addHook('announcing', async () => { throw new TypeError('no registry') }, { name: 'deregister' })
  // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- others do
  graceful.addHook('closing', () => { throw 'text' }, { name: 'text' })
  graceful.addHook('draining', () => new Promise(() => {}), { name: 'hung', timeout: 1 })
  graceful.waitUntil(Promise.reject(new RangeError('no mail')), { name: 'mail' })
  const report = await graceful.shutdown()
  const told = Object.fromEntries(of('failure').map((line) => [line['name'] as string, line]))
  t.match(told['queue']?.err, { type: 'Error', message: 'no queue', stack: /brokenParticipant/ })
  t.match(told['slow queue']?.err, { message: 'no slow queue', stack: /log-lines\.test/ })
  t.match(told['deregister']?.err, { type: 'TypeError', stack: /log-lines\.test/ })
  t.match(told['mail']?.err, { type: 'RangeError', stack: /log-lines\.test/ })
  t.match(told['close']?.err, { message: 'no pool', stack: /log-lines\.test/ })
  t.match(told['text'], { level: 40, message: '"text"', err: undefined })
  t.match(told['hung'], { message: 'did not finish within 1 ms', err: undefined })
  for (const failure of report.failures) {
    t.same(Object.keys(failure), ['name', 'message', 'phase'], 'and the report stays short')
  }
})

t.test('a clean shutdown is told in five lines', async (t) => {
  const { app, lines } = tell(t)
  await bind(app)
  lines.length = 0
  await app.graceful.shutdown({ reason: 'new configuration' })
  await until(() => lines.length > 4)
  t.same(
    lines.map(({ level, event }) => `${level} ${event}`),
    [...Array.from({ length: 4 }, () => '30 graceful.phase'), '30 graceful.report']
  )
  for (const [index, msg] of [
    /^fastify-graceful: running -> announcing \(new configuration\)$/,
    /^fastify-graceful: announcing -> closing after \d+ ms \(new configuration\)$/,
    /^fastify-graceful: closing -> draining after \d+ ms \(new configuration\)$/,
    /^fastify-graceful: draining -> terminated after \d+ ms \(new configuration\)$/,
    /^fastify-graceful: shutdown by new configuration in \d+ ms, nothing cut$/
  ].entries()) t.match(lines[index]?.msg, msg)
  const line = lines[1]!
  t.same(Object.keys(line).slice(4, -1), ['event', 'phase', 'previous', 'duration', 'endedBy', 'stalledBy', 'reason'])
})

t.test('holds are told, and by whom', async (t) => {
  const { app, of } = tell(t)
  await app.ready()
  const cache = app.graceful.hold('cache is warming up')
  const hand = app.graceful.hold('by hand')
  for (let times = 0; times < 2; times++) cache.release()
  hand.release()
  t.same(of('hold').map(({ level, msg, reason, held, holds }) => [level, msg, reason, held, holds]), [
    [
      30, "fastify-graceful: not ready, held by 'cache is warming up'",
      'cache is warming up', true, ['cache is warming up']
    ],
    [
      30, "fastify-graceful: not ready, held by 'by hand'",
      'by hand', true, ['cache is warming up', 'by hand']
    ],
    [
      30, "fastify-graceful: no longer held by 'cache is warming up'",
      'cache is warming up', false, ['by hand']
    ],
    [
      30, "fastify-graceful: no longer held by 'by hand'",
      'by hand', false, []
    ]
  ])
})

t.test('what is refused is told without what was shown', async (t) => {
  const token = 'a-token-of-enough-length'
  const { app, lines } = tell(t, { admin: { token } }, 'warn')
  const post = async (url: string, headers = {}): Promise<number> =>
    (await app.inject({ method: 'POST', url, headers })).statusCode
  t.equal(await post('/-/drain'), 401)
  t.equal(await post('/-/prestop?x=secret', { authorization: 'Bearer a-wrong-secret-token' }), 403)
  t.equal((await app.inject('/-/status')).statusCode, 200, 'whoever may know little is not refused')
  t.equal(await post('/-/drain', { authorization: `Bearer ${token}` }), 200)
  t.match(lines, [
    {
      level: 40,
      msg: 'fastify-graceful: POST /-/drain refused: no credentials',
      reqId: /./,
      method: 'POST',
      route: '/-/drain',
      statusCode: 401,
      remoteAddress: '127.0.0.1'
    },
    {
      level: 40,
      msg: 'fastify-graceful: POST /-/prestop refused: wrong credentials',
      route: '/-/prestop',
      statusCode: 403
    }
  ])
  t.equal(lines.length, 2)
  t.notMatch(JSON.stringify(lines), 'secret')
})

interface Said { level: string, message: string, fields: Record<string, unknown> }

/** A state machine with a clock that is turned by hand, and its story. */
function narrate (options: WorldOptions = {}): { world: World, said: Said[], waiting: () => string[] } {
  const said: Said[] = []
  const write = (level: string) => (fields: Record<string, unknown>, message: string): void => {
    said.push({ level, message: message.replace('fastify-graceful: ', ''), fields })
  }
  const levels = ['debug', 'info', 'warn', 'error', 'fatal']
  const logger = Object.fromEntries(levels.map((level) => [level, write(level)])) as unknown as FastifyBaseLogger
  const world = new World({ kubernetes: true, ...options })
  const story =
    new ShutdownLog(prefixed(logger), (delay, callback) => world.clock.after(delay, callback), () => world.lifecycle)
  world.lifecycle.on('requested', (request, announcedBefore) => {
    if (announcedBefore !== undefined) story.requested(request, announcedBefore)
  })
  world.lifecycle.on('phase', (phase, _previous, record) => story.phase(phase, record))
  world.lifecycle.on('report', (report) => story.report(report))
  const waiting = (): string[] => said
    .filter(({ fields }) => fields['event'] === 'graceful.waiting')
    .map(({ level, message }) => `${level} ${message}`)
  return { world, said, waiting }
}

t.test('a long phase', async (t) => {
  t.test('is told of every ten seconds, with what it waits for, and as a warning once half of its cap is over',
    async (t) => {
      const { world, said, waiting } = narrate({ budget: { gracePeriod: 60_000 } })
      world.lifecycle.observers.add('traffic', (phase) => phase === 'draining' && '2 requests in flight')
      world.lifecycle.participants.add(
        'outbox',
        (phase, elapsed) => phase === 'draining' && elapsed < 15_000 && '3 messages unsent'
      )
      world.signal()
      await world.finish()
      t.same(waiting().slice(0, 3), [
        'debug draining for 10 s, waiting for traffic: 2 requests in flight, outbox: 3 messages unsent (SIGTERM)',
        'debug draining for 20 s, waiting for traffic: 2 requests in flight (SIGTERM)',
        'warn draining for 30 s, waiting for traffic: 2 requests in flight (SIGTERM)'
      ])
      t.equal(waiting().length, 4)
      t.match(said.find(({ fields }) => fields['event'] === 'graceful.waiting')?.fields, {
        phase: 'draining', elapsed: waitingInterval, stalls: 2, reason: 'SIGTERM',
        stalledBy: [
          { name: 'traffic', reason: '2 requests in flight' },
          { name: 'outbox', reason: '3 messages unsent' }
        ]
      })
      const last = said.findLast(({ fields }) => fields['event'] === 'graceful.phase')
      t.match(
        last?.message,
        /^draining -> terminated after \d+ ms \(SIGTERM\), no longer waiting for traffic: 2 requests in flight$/
      )
      t.equal(world.clock.timers, 0, 'and nothing is left behind')
    })

  t.test('in which nobody stalls, or which is as long as it was told to be, is silent above debug', async (t) => {
    const { world, said, waiting } = narrate({
      budget: { gracePeriod: 60_000, announce: { min: 25_000, blind: 32_000 } }
    })
    world.lifecycle.observers.add(
      'traffic',
      (phase, elapsed) => phase === 'announcing' && elapsed < 32_000 && elapsed >= 15_000 && 'too little traffic'
    )
    world.signal()
    await world.finish()
    t.same(
      waiting(),
      [20, 30].map((time) => `debug announcing for ${time} s, waiting for traffic: too little traffic (SIGTERM)`),
      'nobody stalled at ten seconds'
    )
    t.equal(said.filter(({ level }) => level !== 'debug').length, 5)
  })

  t.test('of the announcement is warned of where somebody else stalls, or the balancer goes on, past half of its cap',
    async (t) => {
      const { world, waiting } = narrate({ budget: { gracePeriod: 60_000 } })
      world.lifecycle.observers.add('traffic', (phase) => phase === 'announcing' && 'the balancer still sends')
      world.lifecycle.hooks.add('announcing', () => new Promise(() => {}), { name: 'deregister', timeout: 22_000 })
      world.signal()
      await world.reach('closing')
      t.same(waiting().slice(0, 3), [
        'debug announcing for 10 s, waiting for traffic: the balancer still sends, '
          + "deregister: hook of phase 'announcing' is running (SIGTERM)",
        'debug announcing for 20 s, waiting for traffic: the balancer still sends, '
          + "deregister: hook of phase 'announcing' is running (SIGTERM)",
        'warn announcing for 30 s, waiting for traffic: the balancer still sends (SIGTERM)'
      ])
    })

  t.test('names ten of many', async (t) => {
    const { world, said, waiting } = narrate()
    for (let number = 1; number <= 25; number++) {
      world.lifecycle.participants.add(`job ${number}`, (phase) => phase === 'draining')
    }
    world.signal()
    await world.reach('terminated')
    t.match(waiting()[0], /waiting for job 1: not yet, .*, job 10: not yet, and 15 more \(SIGTERM\)$/)
    const { fields } = said.find(({ fields }) => fields['event'] === 'graceful.waiting')!
    t.equal(fields['stalls'], 25)
    t.equal((fields['stalledBy'] as unknown[]).length, 10)
  })
})

t.test('a signal during a drain by hand is told when it comes, and the report tells both times', async (t) => {
  const { world, said } = narrate()
  world.lifecycle.drain()
  await world.clock.advance(61_000)
  t.equal(said.length, 1, 'nobody stalls, so there is nothing to tell')
  world.lifecycle.participants.add('queue', (phase, elapsed) => phase === 'announcing' && elapsed < 64_000)
  world.signal()
  t.match(said.at(-1), {
    level: 'info',
    message: 'SIGTERM, 61000 ms after the announcement',
    fields: {
      event: 'graceful.shutdown',
      kind: 'shutdown',
      reason: 'SIGTERM',
      phase: 'announcing',
      announcedBefore: 61_000
    }
  })
  await world.clock.advance(1000)
  world.signal()
  t.equal(said.length, 2, 'once')
  const report = await world.finish()
  t.match(report, {
    duration: 64_000,
    announcedBefore: 61_000,
    summary: 'shutdown by SIGTERM in 3000 ms, announced 61000 ms before, nothing cut'
  })
  t.match(
    said.map(({ message }) => message),
    [/^running -> announcing \(drain\)$/, /./, /^announcing -> closing after 64000 ms \(SIGTERM\)$/]
  )
})

t.test('an undone drain is told, and leaves no timer', async (t) => {
  const { world, said } = narrate()
  world.lifecycle.drain()
  await world.clock.advance(3000)
  world.lifecycle.undrain()
  t.match(said.at(-1), {
    message: 'announcing -> running after 3000 ms (undrain)',
    fields: { endedBy: 'undrain', reason: 'undrain' }
  })
  t.equal(world.clock.timers, 0)
  world.signal()
  t.match(await world.finish(), { announcedBefore: 0 })
})

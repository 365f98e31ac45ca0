import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { GracefulOptions } from '../lib/index.ts'
import { bind, build } from './support/app.ts'

type Line = Record<string, unknown> & { level: number, msg: string, event?: string, err?: { message: string, stack: string } }

interface Told { app: FastifyInstance, lines: Line[], of: (event: string) => Line[] }

/** An application whose log is written down. */
function tell (t: Test, options: GracefulOptions = {}, level = 'info'): Told {
  const lines: Line[] = []
  const app = build(options, { logger: { level, stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  return { app, lines, of: (event) => lines.filter((line) => line.event === `graceful.${event}`) }
}

function brokenParticipant (): never { throw new Error('no queue') }

t.test('a failure is told with the stack of what was thrown', async (t) => {
  const { app, of } = tell(t)
  app.addHook('onClose', async () => { throw new Error('no pool') })
  await bind(app)
  const { graceful } = app
  graceful.stall('queue', brokenParticipant)
  graceful.stall('slow queue', async (phase) => { if (phase === 'draining') throw new Error('no slow queue') })
  graceful.addHook('announcing', async () => { throw new TypeError('no registry') }, { name: 'deregister' })
  graceful.addHook('closing', () => { throw 'text' }, { name: 'text' }) // oxlint-disable-line no-throw-literal, typescript/only-throw-error -- others do
  graceful.addHook('draining', () => new Promise(() => {}), { name: 'hung', timeout: 1 })
  graceful.waitUntil(Promise.reject(new RangeError('no mail')), { name: 'mail' })
  const report = await graceful.shutdown()
  const told = Object.fromEntries(of('failure').map((line) => [line['name'] as string, line]))
  t.match(told['queue']?.err, { type: 'Error', message: 'no queue', stack: /brokenParticipant/ })
  t.match(told['slow queue']?.err, { message: 'no slow queue', stack: /story\.test/ })
  t.match(told['deregister']?.err, { type: 'TypeError', stack: /story\.test/ })
  t.match(told['mail']?.err, { type: 'RangeError', stack: /story\.test/ })
  t.match(told['close']?.err, { message: 'no pool', stack: /story\.test/ })
  t.match(told['text'], { level: 40, message: '"text"', err: undefined })
  t.match(told['hung'], { message: 'did not finish within 1 ms', err: undefined })
  for (const failure of report.failures) t.same(Object.keys(failure), ['name', 'message', 'phase'], 'and the report stays short')
})

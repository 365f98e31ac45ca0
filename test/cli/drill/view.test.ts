import t from 'tap'
import { Given } from '../../../lib/cli/drill/option.ts'
import { isPassed } from '../../../lib/cli/drill/output/words.ts'
import { platformEnvironment, readUpdate } from '../../../lib/cli/drill/settings.ts'
import type { DrillSettings } from '../../../lib/cli/drill/settings.ts'
import { viewOf } from '../../../lib/cli/drill/view.ts'
import type { DrillState } from '../../../lib/drill/drill.ts'
import { observers } from '../../../lib/drill/fault-drill.ts'
import type { DrillRecord, RunRecord } from '../../../lib/drill/record.ts'
import type { Replica } from '../../../lib/drill/replicas.ts'
import { Tally } from '../../../lib/drill/losses.ts'
import { Output } from '../../support/output.ts'

const given = (values: Record<string, string> = {}): Given =>
  new Given(Object.entries(values))

const settings = (options: Record<string, string> = {}): DrillSettings =>
  ({ ...readUpdate(given(options)), label: 'shop\u001b.js' }) as DrillSettings

const replica = { name: '1 old', phase: 'running', history: [{ phase: 'running', at: Date.now() }] } as unknown as Replica
const state = (): DrillState => ({
  tally: new Tally(), replicas: [replica], begunAt: Date.now(), front: { has: () => true } as unknown as DrillState['front']
})

t.test('a time line in a terminal, which has its cursor back afterwards', (t) => {
  const output = new Output(80, 24)
  const { observer, close } = viewOf(output as never, {}, settings({ runs: '2' }))
  const drill = state()
  observer.begin?.(drill)
  t.ok(output.text.startsWith('\u001b[?25l\u001b[?7l'))
  output.columns = 40
  output.emit('resize')
  t.match(output.text, '\u001b[2J\u001b[H')
  t.match(output.text, 'Rolling update: shop')
  observer.ended?.({ ...drill, endedAt: Date.now() })
  t.ok(output.text.endsWith('\u001b[?7h\u001b[?25h'))
  t.equal(output.listenerCount('resize'), 0)
  observer.begin?.(state())
  output.emit('resize')
  t.notMatch(output.text, 'shop\u001b')
  close()
  close()
  t.equal(output.text.split('\u001b[?25h').length, 3, 'given back once each')
  t.end()
})

t.test('no escape code where NO_COLOR is set but those that move, and none without a terminal', (t) => {
  const output = new Output(80, 24)
  const plain = viewOf(output as never, { NO_COLOR: '1' }, settings())
  plain.observer.begin?.(state())
  output.emit('resize')
  plain.close()
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  t.notMatch(output.text, /\u001b\[\d+m/)
  for (const change of [{ isTTY: false }, { columns: 10 }, { rows: 3 }]) {
    const lines = new Output(80, 24)
    Object.assign(lines, change)
    const { observer, close } = viewOf(lines as never, {}, settings({ updates: '0', front: '3' }))
    const drill = state()
    observer.begin?.(drill)
    observer.changed?.(replica, 'run\u0007ning')
    drill.endedAt = Date.now()
    observer.changed?.(replica, 'terminated')
    observer.ended?.(drill)
    close()
    t.match(lines.text, new RegExp('^Load without an update: shop\\\\u001b\\.js behind a balancer that stops after 3 s\\n'
      + ' +\\d\\.\\d s  replica 1 old  run\\\\u0007ning\\n0 requests, 0 lost\\n$'))
  }
  t.end()
})

t.test('the update as it was typed', (t) => {
  t.match(readUpdate(given()), {
    replicas: 3, replace: 3, front: 'kube-proxy', warmUp: 1000, coolDown: 500, runs: 1, maxLost: 0,
    update: { grace: 30_000, preStop: 0, lag: [70, 1200] }
  })
  t.match(readUpdate(given({ front: 'alb', updates: '1', stagger: '2s', 'pre-stop': '5s' })), {
    replace: 1, update: { grace: 60_000, preStop: 5000, stagger: 2000 }
  })
  t.notOk('lag' in readUpdate(given({ front: 'gke-neg' })).update)
  t.throws(() => readUpdate(given({ front: 'elb' })), /'--front' must be one of kube-proxy/)
  t.throws(() => readUpdate(given({ 'pre-stop': '1m' })), /shorter than the grace period of 30 s/)
  t.end()
})

t.test('a replica is told what its platform would tell it, unless somebody has said so', (t) => {
  t.same(platformEnvironment(settings(), { HOME: '/' }), {
    GRACEFUL_PLATFORM: 'kubernetes', TERMINATION_GRACE_PERIOD_SECONDS: '30', HOME: '/'
  })
  t.same(platformEnvironment(settings({ front: 'never', 'pre-stop': '500ms', grace: '10s' }), {}), {
    TERMINATION_GRACE_PERIOD_SECONDS: '10', PRESTOP_SECONDS: '0.5'
  })
  t.equal(platformEnvironment(settings(), { GRACEFUL_PLATFORM: 'auto' })['GRACEFUL_PLATFORM'], 'auto')
  t.end()
})

const record = (...lost: number[]): DrillRecord =>
  ({ maxLost: 1, runs: lost.map((one) => ({ lost: one, requests: 100 }) as RunRecord) }) as DrillRecord

t.test('each run may lose so many', (t) => {
  t.same([isPassed(record(1, 0)), isPassed(record(0, 2))], [true, false])
  t.end()
})

t.test('all observers hear of everything, in their order', (t) => {
  const heard: string[] = []
  const one = (name: string): object => ({
    begin: () => heard.push(`${name} begin`), changed: (_: Replica, what: string) => heard.push(`${name} ${what}`)
  })
  const all = observers([one('a'), {}, one('b')])
  all.begin?.(state())
  all.started?.(replica)
  all.changed?.(replica, 'running')
  all.line?.(replica, {})
  all.ended?.(state())
  t.same(heard, ['a begin', 'b begin', 'a running', 'b running'])
  t.end()
})

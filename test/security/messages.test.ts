import t from 'tap'
import { readSuperviseOptions } from '../../lib/supervisor/read-options.ts'
import { show } from '../../lib/util/shown.ts'
import { isFit, long, read, run } from './given.ts'

const secret = 'secret-of-34-characters-never-shown'

/** What is said of these options; nothing where they are taken, as an object is that has nothing to look at. */
function messageFor (options: unknown): string {
  try {
    read(options)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

// Scenario, too: Variables that are blank…
t.test('a token is in no message, whatever shape the options have', async (t) => {
  const admin = { token: secret }
  const shapes: unknown[] = [
    [{ admin }], [[{ admin }]], [secret], secret, Object.assign(() => {}, { admin }), new Map([['admin', admin]]),
    { admin: [admin] }, { admin: secret }, { admin: { token: [secret, 5] } }, { admin: { token: { secret } } },
    { admin: { token: `${secret}\n` } }, { admin: { token: new Set([secret]) } }, { admin: { authorize: secret } },
    { admin: { unixSocket: secret } }, { admin: { tokens: secret } }, { admin: { Token: secret } }, { token: secret },
    { announce: [{ admin }] }, { drain: { webSocket: [{ admin }] } }, { probes: [{ token: secret }] },
    { kubernetes: [{ authorization: secret }] }, { watchdog: [{ admin }] }, { metrics: [{ admin }] },
    { signals: [{ admin }] }, { closeWith: { admin } }, { crash: { password: secret } },
    { metrics: { registry: { token: secret } } }, { otherListeners: { apiKey: secret } }
  ]
  for (const shape of shapes) {
    const message = messageFor(shape)
    t.ok(!message.includes(secret.slice(0, 12)) && message.length < 600, message.slice(0, 300))
  }
  const [script, statusToken] = ['a', secret]
  const supervised = [
    [{ statusToken }], secret, { script, statusToken: [secret] }, { script, statusToken: { secret } },
    { script, log: { token: secret } }
  ]
  for (const shape of supervised) {
    const error = t.throws(() => readSuperviseOptions(shape as never, {})) as unknown as Error
    t.notMatch(error.message, secret.slice(0, 12))
  }
  const cli = './dist/cli/index.js'
  for (const args of [
    ['run', `--status-token${secret}`, 'a.js'],
    ['run', '--status-token', `${secret} x`, 'a.js'],
    ['run', `--status-token=${secret}\u00e9`, 'a.js'],
    ['run', '--status-token', secret],
    ['status', `--token${secret}`, '9'],
    ['status', '--token', `${secret}\u00e9`, '9'],
    ['status', `--token=${secret}`]
  ]) {
    const { code, output } = run([cli, ...args], {})
    t.equal(code, 64, args.join(' '))
    t.ok(!output.includes(secret.slice(0, 12)) && output.length < 2500, output)
  }
})

// Scenario, too: Variables that are blank…
t.test('no message repeats more than a bound of what was given', async (t) => {
  const values: unknown[] = [
    long, [long], { long }, Symbol(long), 10n ** 50_000n, -(10n ** 50_000n),
    Object.defineProperty(() => {}, 'name', { value: long }),
    Object.defineProperty(() => {}, 'name', { value: Symbol('x') }),
    new Proxy(() => {}, { get () { throw new Error(long) } }),
    { toJSON () { throw new Error(long) } },
    new Proxy({}, { get () { throw new Error(long) } })
  ]
  for (const value of values) {
    t.ok(show(value).length <= 80, show(value))
    const given = [{ exit: value }, { announce: value }, { announce: { shed: value } }, { signals: { SIGTERM: value } }]
    for (const options of given) {
      const message = messageFor(options)
      t.ok(message.length < 700, message.slice(0, 200))
    }
  }
  const action = 'shutdown'
  const named = [
    { [long]: 1 }, { announce: { [long]: 1 } }, { signals: { [long]: action } }, { signals: { [`SIG${long}`]: action } }
  ]
  for (const options of named) {
    const error = t.throws(() => read(options)) as unknown as Error
    t.ok(isFit(error.message), error.message.slice(0, 200))
  }
  const commands = [
    [long], ['run', `--${long}`], ['run', '--workers', long], ['status', long], ['status', `--${long}`],
    ['status', '--interval', long, '9']
  ]
  for (const args of commands) {
    const { code, output } = run(['./dist/cli/index.js', ...args], {})
    t.equal(code, 64)
    t.ok(output.length < 1500, output.slice(0, 300))
  }
})

import t from 'tap'
import { fork } from './fork.ts'

for (const [register, expected] of [
  // Without the plugin there is no tick left, whose shape V8 could know.
  [0, { held: 0, same: false }],
  [1, { held: 1, same: true }],
  [3, { held: 1, same: true }]
] as const) {
  t.test(`ticks keep their shape while none is pending, registered ${register} times`, async (t) => {
    const app = fork('tick.js', { given: { register }, node: ['--expose-gc', '--allow-natives-syntax'] })
    const [code, , output] = await app.result
    t.equal(code, 0, output)
    t.strictSame(
      JSON.parse(/^\{"held.*\}$/m.exec(output)?.[0] ?? '{}'),
      { ...expected, loose: false, contexts: 0 },
      'and no context of an application is held with it'
    )
  })
}

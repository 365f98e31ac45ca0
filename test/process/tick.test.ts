import t from 'tap'
import { fork } from './fork.ts'

for (const register of [1, 2]) {
  t.test(`ticks keep their shape where nobody has one, registered ${register} times`, async (t) => {
    const app = fork('tick.js', { given: { register }, node: ['--expose-gc', '--allow-natives-syntax'] })
    const [code, , output] = await app.result
    t.equal(code, 0, output)
    t.match(output, /^\{"held":true,"same":true\}$/m)
  })
}

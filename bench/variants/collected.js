// Bare Fastify, of which V8 collects all garbage once, right after it listens. A tick is held, as the plugin holds
// one: without, `process.nextTick` would lose the shape of its objects (bench/tick.js).
//   node bench/cpu.js --b collected --collection none
import { executionAsyncResource } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export const held = []

export default async app => {
  process.nextTick(() => held.push(executionAsyncResource()))
  app.addHook('onListen', async () => {
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
  })
}

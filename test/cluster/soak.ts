// Not a test: reloads trees of 1, 2 and 4 children again and again under 300 requests a second, and counts what is lost.
//
//   npm run build && TS_NODE_TRANSPILE_ONLY=1 node --import=@tapjs/typescript/import test/cluster/soak.ts [reloads, default 10]
import { fileURLToPath } from 'node:url'
import { startLoad } from '../e2e/client.ts'
import { start, until } from './tree.ts'

const reloads = Number(process.argv[2] ?? 10)
const replica = fileURLToPath(new URL('../e2e/replica.js', import.meta.url))
const ends: Array<() => unknown> = []
let lost = 0

for (const workers of [1, 2, 4]) {
  const tree = start({ teardown: (end: () => unknown) => { ends.push(end) } }, ['run', '--workers', String(workers), '--min-ready', String(workers), '--max-surge', String(workers), replica], { env: { REPLICA: 'supervised' } })
  const [, port] = await until(() => /"port":(\d+),"msg":"replica listens"/.exec(tree.output()) ?? undefined, 'it listens', 60_000)
  await tree.ready()
  const load = startLoad(Number(port), 300)
  const done = (): number => tree.output().match(/reload done/g)?.length ?? 0
  for (let count = 1; count <= reloads; count++) {
    process.kill(tree.pid, 'SIGHUP')
    await until(() => {
      if (tree.output().includes('reload stopped')) throw new Error(tree.output())
      return done() === count
    }, 'the reload is done', 120_000)
  }
  const { requests, connections, losses } = await load.stop()
  lost += losses.length
  process.kill(tree.pid, 'SIGTERM')
  const [code] = await tree.result
  console.log(`${workers} children, ${reloads} reloads: ${losses.length} of ${requests} requests lost on ${connections} connections, exit code ${code}`)
  for (const loss of losses.slice(0, 10)) console.log(JSON.stringify(loss))
}
for (const end of ends) await end()
process.exitCode = lost === 0 ? 0 : 1

// Not a test: reloads trees of 1, 2 and 4 children again and again under 300 requests a second, one child at a time,
// and counts what is lost. `quick` is what the suite has.
//
//   npm run soak:reload [-- <reloads, 10> [all|quick [<workers>...]]]
import { allUsers, quickUsers, reloadUnderLoad } from './reloads.ts'

const [, , reloads = '10', users = 'all', ...given] = process.argv
const trees = given.length === 0 ? [1, 2, 4] : given.map(Number)
const ends: Array<() => unknown> = []
let lost = 0

for (const workers of trees) {
  const { tree, requests, connections, losses, durations } = await reloadUnderLoad(
    { teardown: (end: () => unknown) => { ends.push(end) } },
    { workers, reloads: Number(reloads), users: users === 'quick' ? quickUsers : allUsers }
  )
  lost += losses.length
  process.kill(tree.pid, 'SIGTERM')
  const [code] = await tree.result
  console.log(`${workers} ${workers === 1 ? 'child' : 'children'}, `
    + `${reloads} reloads of ${Math.min(...durations)} to ${Math.max(...durations)} ms: `
    + `${losses.length} of ${requests} requests lost on ${connections} connections, exit code ${code}`)
  for (const loss of losses.slice(0, 10)) console.log(JSON.stringify(loss))
}
for (const end of ends) await end()
process.exitCode = lost === 0 ? 0 : 1

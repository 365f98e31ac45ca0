import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { tellPm2 } from '../../lib/process/pm2.ts'

const folder = mkdtempSync(join(tmpdir(), 'graceful-pm2-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const own = join(folder, 'own.pid')
writeFileSync(own, '7\n')
const other = join(folder, 'other.pid')
writeFileSync(other, '8')

/** As much of a process as is used; what it says is kept. */
function some (env: NodeJS.ProcessEnv, rest: object = {}): { said: unknown[], process: never } {
  const said: unknown[] = []
  const send = (message: unknown): boolean => said.push(message) > 0
  return { said, process: { pid: 7, connected: true, send, env, ...rest } as never }
}

t.test('ready is told to pm2 alone, where it waits for that, and once', async (t) => {
  const rows: Array<[name: string, env: NodeJS.ProcessEnv, rest?: object]> = [
    ['without pm2', {}],
    ['pm2 does not wait', { wait_ready: 'false', pm_pid_path: own }],
    ['in what a process of pm2 has forked', { wait_ready: 'true', pm_pid_path: other }],
    ['without the file of its number', { wait_ready: 'true', pm_pid_path: join(folder, 'none') }],
    ['without its path', { wait_ready: 'true' }],
    ['without a channel', { wait_ready: 'true', pm_pid_path: own }, { send: undefined }],
    ['with a closed one', { wait_ready: 'true', pm_pid_path: own }, { connected: false }]
  ]
  for (const [name, env, rest] of rows) {
    const { said, process } = some(env, rest)
    await tellPm2(() => true, process)
    t.same(said, [], name)
  }
  const { said, process } = some({ wait_ready: 'true', pm_pid_path: own })
  await tellPm2(() => undefined, process)
  t.same(said, [], 'who ends before it was ready')
  let looks = 0
  // Its own timer keeps no process.
  const keep = setInterval(() => {}, 1000)
  await tellPm2(async () => ++looks === 3, process)
  t.same(said, ['ready'], 'as soon as it is')
  clearInterval(keep)
  t.equal(looks, 3)
  await tellPm2(() => true, process)
  t.same(said, ['ready'], 'once')
})

import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startLoad } from '../../lib/drill/load.ts'
import type { LoadResult } from '../../lib/drill/load.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { longestIdle, replicaUsers } from '../e2e/users.ts'
import { start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const replica = fileURLToPath(new URL('../e2e/replica.js', import.meta.url))

/** Who sends the requests. */
export interface Users {
  profiles: readonly RequestProfile[]
  /** How long a connection idles before its user hangs up, in milliseconds. */
  idle: number
}

/** Those of all the end-to-end tests; some of their requests take 4 s, and so does the end of each child. */
export const allUsers: Users = { profiles: replicaUsers, idle: longestIdle }

/** The same, without what takes long, so that a child is gone in less than a second. */
export const quickUsers: Users = {
  profiles: replicaUsers
    .filter(({ name }) => name !== 'very slow')
    .map((profile) => profile.think === undefined ? profile : { ...profile, think: 300 }),
  idle: 300
}

/** What came of it. */
export interface Reloaded extends LoadResult {
  tree: Tree
  /** Of each reload in milliseconds. */
  durations: number[]
}

/** Replaces all children again and again under 300 requests a second that nobody retries. */
export async function reloadUnderLoad (
  t: Pick<Test, 'teardown'>,
  { workers, reloads, users, maxSurge }: {
    workers: number
    reloads: number
    users: Users
    maxSurge?: number
  }
): Promise<Reloaded> {
  const tree = start(t, [
    'run', '--workers', String(workers), '--min-ready', String(workers),
    ...maxSurge === undefined ? [] : ['--max-surge', String(maxSurge)],
    replica
  ], { env: { REPLICA: 'supervised' } })
  const [, port] = await until(
    () => /"port":(\d+),"msg":"replica listens"/.exec(tree.output()) ?? undefined,
    'it listens',
    60_000
  )
  await tree.ready()
  const load = startLoad({ ...users, port: Number(port), rate: 300 })
  const durations = (): number[] =>
    tree.lines('reload').flatMap(({ duration }) => typeof duration === 'number' ? duration : [])
  for (let count = 1; count <= reloads; count++) {
    process.kill(tree.pid, 'SIGHUP')
    await until(() => {
      if (tree.output().includes('reload stopped')) throw new Error(tree.output())
      return durations().length === count
    }, 'the reload is done', 120_000)
  }
  return { ...await load.stop(), tree, durations: durations() }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { cleanEnv } from '../../support/clean-env.ts'
import { FakeCluster } from './cluster.ts'
import type { ClusterOptions } from './cluster.ts'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const cli = at('../../../dist/cli/index.js')
export const kubectl: string = at('fixtures/kubectl.js')
export const example: string[] = [at('../../../examples/service/server.js')]
const abrupt = [at('fixtures/service.cjs'), 'abrupt']
export const env = { GRACEFUL_ANNOUNCE_MIN_SECONDS: '1', GRACEFUL_ANNOUNCE_BLIND_SECONDS: '3' }
export const usual: string[] = ['--kubernetes', 'deployment/shop', '--kubectl', kubectl]
const times = { rate: '60', 'warm-up': '300ms', 'cool-down': '300ms', within: '60s' }
/** A short drill, with these options in place of the usual ones. */
export const short = (given: Record<string, string> = {}): string[] =>
  [...usual, ...Object.entries({ ...times, ...given }).flatMap(([flag, value]) => [`--${flag}`, value])]

interface Outcome { code: number | null, output: string, errors: string }

export async function clusterFor (t: Test, options: Partial<ClusterOptions> = {}): Promise<FakeCluster> {
  const cluster = await new FakeCluster({ service: abrupt, ...options }).start()
  t.teardown(() => cluster.stop())
  return cluster
}

export function start (t: Test, address: string, args: readonly string[]): ReturnType<typeof spawn> {
  const child = spawn('env', [...cleanEnv, `FAKE_CLUSTER=${address}`, process.execPath, cli, 'drill', ...args], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

export async function outcomeOf (child: ReturnType<typeof spawn>): Promise<Outcome> {
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout!), text(child.stderr!), once(child, 'exit') as Promise<[number | null]>
  ])
  return { code, output, errors }
}

export const drill = (t: Test, { address }: { address: string }, args: readonly string[]): Promise<Outcome> =>
  outcomeOf(start(t, address, args))

import { fileURLToPath } from 'node:url'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'
import { token } from './fuzz-model.ts'
import type { DoorName } from './fuzz-model.ts'

/** A door with the process behind it. */
export interface Opened { door: DoorName, port: number, app: Fork }

const heap = ['--max-old-space-size=256']

/** Starts a service and a supervisor whose three ports are fuzzed. */
export async function openDoors (timeout: number): Promise<Opened[]> {
  const options = { admin: { token }, metrics: {}, watchdog: { port: 0, host: '127.0.0.1' } }
  const app = fork(
    '../../security/fixtures/service.js',
    { node: heap, env: { NODE_ENV: 'production' }, given: { options, server: { logger: { level: 'warn' } } }, timeout }
  )
  const [, application, watchdog] = await app.waitForLine(/^ports (\d+) (\d+)$/m)
  const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
  const supervisor = fork('parent.js', {
    node: [...heap, cli, 'run', '--status-port', '0', '--status-token', token],
    env: { NODE_ENV: 'production' },
    timeout
  })
  const [, address = ''] = await supervisor.waitForLine(/"event":"graceful\.supervisor\.status","address":"([^"]+)"/)
  await supervisor.waitForLine(/"ready":true/)
  return [
    { door: 'application', port: Number(application), app },
    { door: 'watchdog', port: Number(watchdog), app },
    { door: 'supervisor', port: Number(new URL(address).port), app: supervisor }
  ]
}

/** The phase that a door tells of, and whether it is ready. */
export async function phaseAt (port: number): Promise<{ phase: string, ready: boolean }> {
  return await (await fetch(`http://127.0.0.1:${port}/-/status`, { headers: { connection: 'close' } })).json() as {
    phase: string
    ready: boolean
  }
}

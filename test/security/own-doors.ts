import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'

/** A process of its own with a port of ours. */
export interface OwnDoor { app: Fork, port: number }

const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
/** Whoever holds what he should not is out of memory. */
const given = { node: ['--max-old-space-size=256'], env: { NODE_ENV: '' } }

/** Starts a service with a watchdog's port, a supervisor with its port, or what does nothing but accept. */
export const startDoor: Record<'watchdog' | 'supervisor' | 'bare', (timeout: number) => Promise<OwnDoor>> = {
  async watchdog (timeout) {
    const options = { watchdog: { port: 0, host: '127.0.0.1' } }
    const app = fork('../../security/fixtures/service.js', { ...given, given: { options }, timeout })
    return { app, port: Number((await app.waitForLine(/^ports \d+ (\d+)$/m))[1]) }
  },
  async supervisor (timeout) {
    const app = fork('parent.js', { ...given, node: [...given.node, cli, 'run', '--status-port', '0'], timeout })
    const said = await app.waitForLine(/"event":"graceful\.supervisor\.status","address":"([^"]+)"/)
    await app.waitForLine(/"ready":true/)
    return { app, port: Number(new URL(said[1]!).port) }
  },
  async bare (timeout) {
    const app = fork('../../security/fixtures/bare.js', { ...given, timeout })
    return { app, port: Number((await app.waitForLine(/^ports (\d+)$/m))[1]) }
  }
}

/** How long each thread of a process has run, in milliseconds. */
export function runOf (pid: number): Map<string, number> {
  const folder = `/proc/${pid}/task`
  const timeOf = (thread: string): number =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6
  return new Map(readdirSync(folder).map((thread) => [thread, timeOf(thread)]))
}

/** Waits until a process has done all that it does after its start: until it has rested for a while. */
export async function untilItRests (pid: number): Promise<void> {
  const sum = (): number => [...runOf(pid).values()].reduce((total, time) => total + time, 0)
  for (let before = sum(), still = 0; still < 3;) {
    await sleep(100)
    const now = sum()
    still = now - before < 4 ? still + 1 : 0
    before = now
  }
}

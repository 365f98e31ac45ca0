import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers'
import { readVariable } from '../util/given.ts'

/** Milliseconds between two looks at readiness. */
const interval = 200
let hasTold = false

/** As much of the process as is used. */
type Told = Pick<NodeJS.Process, 'env' | 'pid' | 'send' | 'connected'>

/**
 * Tells pm2 `ready`, once in a process, where it waits for that: with `wait_ready` it goes on when a process has said
 * so, and after `listen_timeout` at the latest. Somebody who says it himself may go on doing so.
 *
 * @param isReady asked until it is so; undefined when it never will be
 */
export async function tellPm2 (
  isReady: () => boolean | undefined | Promise<boolean | undefined>,
  process_: Told = process
): Promise<void> {
  if (readVariable(process_.env, 'wait_ready') !== 'true' || typeof process_.send !== 'function') return
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    const ready = await isReady()
    if (ready === undefined || hasTold) return
    if (ready) break
    // oxlint-disable-next-line no-await-in-loop -- between two of them
    await new Promise<void>((resolve) => { setTimeout(resolve, interval).unref() })
  }
  if (!process_.connected || !isOfPm2(process_)) return
  hasTold = true
  process_.send('ready', undefined, undefined, () => {})
}

/** What a process of pm2 has forked has its variables, too, and another parent. */
function isOfPm2 ({ env, pid }: Told): boolean {
  try {
    return readFileSync(readVariable(env, 'pm_pid_path') ?? '', 'utf8').trim() === String(pid)
  } catch {
    return false
  }
}

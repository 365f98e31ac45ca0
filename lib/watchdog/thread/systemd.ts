import { setTimeout } from 'node:timers'
import { Sender } from '../../platform/systemd/sender.ts'
import type { ThreadData } from '../protocol.ts'

/** Milliseconds between two looks at an event loop that has not turned since systemd was told, at most. */
const longestPause = 100

/**
 * Tells systemd's watchdog that the event loop turns: twice within `WatchdogSec=`, where it has turned since the last
 * time, and otherwise as soon as it does. So one that hangs for longer than that is noticed, and one that does not
 * is not.
 */
export function tellSystemd (
  { systemd, watches }: Pick<ThreadData, 'systemd' | 'watches'>,
  seen: { readonly lastSeen: number },
  failed: (problem: string) => void
): void {
  if (systemd === undefined || !watches) return
  const { way, interval } = systemd
  const sender = new Sender(way, failed, true)
  let told = -Infinity
  const tell = (): void => {
    const { lastSeen } = seen
    const turns = lastSeen > told
    if (turns) {
      told = lastSeen
      sender.send({ WATCHDOG: 1 })
    }
    setTimeout(tell, turns ? interval : Math.min(longestPause, interval / 10))
  }
  tell()
}

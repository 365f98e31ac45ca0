import { planEnd } from '../kill-deadline.ts'
import type { ProcessEnd, Unheard } from '../kill-deadline.ts'
import type { WatchedState } from '../protocol.ts'

/**
 * How long the kernel needs to take the memory of a killed process down, in milliseconds per GiB that is resident.
 * It took 100 to 330 of them for 0.5 to 4 GiB (Linux 6.18, pages of 4 KiB, two cores that others used, too).
 */
const teardownPace = 350
/** What the last moments of the grace period have room for anyway, in bytes. */
const smallMemory = 128 * 2 ** 20
/** What is allowed for at most, in milliseconds. */
const longestTeardown = 5000

/** How much earlier a process with so many bytes of resident memory has to be killed, in milliseconds. */
export function teardownTime (resident: number): number {
  return Math.min(longestTeardown, Math.max(0, resident - smallMemory) / 2 ** 30 * teardownPace)
}

/** The same as `planEnd`, early enough for the memory that the process has. That is looked at near the end only. */
export function planTeardown (
  applications: readonly WatchedState[],
  unheard: Unheard,
  now: number,
  resident: () => number = residentMemory
): ProcessEnd | undefined {
  const end = planEnd(applications, unheard)
  if (end === undefined || now < end.hung - longestTeardown) return end
  return planEnd(applications, unheard, teardownTime(resident()))
}

/** In bytes. Read from a file; where the process has no descriptor left for it, what the process has had at most. */
export function residentMemory (): number {
  try {
    return process.memoryUsage.rss()
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}

import { constants } from 'node:os'
import type { Signal, WatchedState } from './protocol.ts'

/** What the kill itself may take, in milliseconds: pause, stack, message, exit listeners. */
export const killTime = 700
/** How long before the deadline it begins where the main thread hangs: the pause alone may take this long. */
const lead = 250
/** What is left of the grace period at the deadline at least, in milliseconds. */
const leastTail = 600
/** Phases that a second signal leaves, at a second each. */
const hurriedTime = 4000

/**
 * How long the kernel needs to take the memory of a killed process down, in milliseconds per GiB that is resident.
 * It took 100 to 330 of them for 0.5 to 4 GiB (Linux 6.18, pages of 4 KiB, two cores that others used, too).
 */
const teardownPace = 350
/** What the last moments of the grace period have room for anyway, in bytes. */
const smallMemory = 128 * 2 ** 20
/** What is allowed for at most, in milliseconds. */
const longestTeardown = 5000


/** What has come that the main thread may not know of. Times are of the shared clock. */
export interface Unheard {
  /** Signals of the main thread's last silence, the oldest first. */
  signals: readonly Signal[]
  /** A preStop call. */
  prestop: number | undefined
}

/** When the process has to be gone. Times are of the shared clock. */
export interface ProcessEnd {
  /**
   * For a main thread that hangs: nothing of the end can happen any more but the exit. A little
   * before the deadline, to be over soon after it.
   */
  hung: number
  /**
   * The same for a process without much memory: from then on a short silence is a hang. Before, it
   * may be a long collection of garbage.
   */
  surely: number
  /** From then on a missed heartbeat is a hang: what is left is what the kernel needs for the memory. */
  hurry: number
  /** For one that turns: it may need its reserve for the logs. */
  turning: number
  /** SIGKILL, at the latest. */
  last: number
  /** How much earlier that is for a main thread that hangs, in milliseconds: what the kernel needs for the memory. */
  teardown: number
  exitCode: number
}

/**
 * When the process has to be gone, from all that is known of its applications; undefined while nobody asked for that.
 * The process ends when its last application does, so the latest of their deadlines counts.
 *
 * @param teardown milliseconds that the kernel needs to take the process down once it is killed
 */
export function planEnd (
  applications: readonly WatchedState[],
  unheard: Unheard,
  teardown: number = 0
): ProcessEnd | undefined {
  const [first] = unheard.signals
  const acts = ({ ending, signals }: WatchedState): boolean =>
    ending || (first !== undefined && signals.includes(first.name))
  const ends = applications.filter(acts)
  const isKept = applications.some((application) => application.open && !acts(application))
  if (isKept || !ends.some(({ exit }) => exit)) return undefined
  const latest = ends
    .map((application) => endOf(application, unheard, teardown))
    .reduce((a, b) => (b.last > a.last ? b : a))
  return unheard.signals.reduce((end, { name, at, count }) => {
    if (count < 2) return end
    if (count === 2) return hasten(end, at + hurriedTime)
    return { ...hasten(end, at), exitCode: 128 + (constants.signals[name as NodeJS.Signals] ?? 0) }
  }, hasten(latest, hurriedEnd(ends)))
}

/** Somebody asks for a faster end. */
function hasten (end: ProcessEnd, at: number): ProcessEnd {
  return at < end.hung ? { ...end, hung: at, surely: at } : end
}

/** When the phases are over that a second signal has left, of all who end. */
function hurriedEnd (ends: readonly WatchedState[]): number {
  return Math.max(...ends.map(({ hurriedAt }) => hurriedAt ?? Infinity)) + hurriedTime
}

function endOf (application: WatchedState, { signals: [first], prestop }: Unheard, longest: number): ProcessEnd {
  const { gracePeriod, preStop, reserve } = application
  const end = graceStartOf(application, first?.at ?? 0, preStop, prestop) + gracePeriod
  const deadline = end - Math.max(reserve, Math.min(leastTail, gracePeriod / 4))
  const teardown = Math.min(longest, gracePeriod / 4)
  const surely = deadline - Math.min(lead, gracePeriod / 12)
  // Half of the reserve is for the flush of the logs, however large the process is.
  const turning = end - reserve * 0.4 - Math.min(teardown, reserve * 0.1)
  return {
    hung: surely - teardown,
    surely,
    hurry: end - reserve * 0.4 - teardown,
    turning,
    last: end - Math.min(100, reserve * 0.2),
    teardown,
    exitCode: 1
  }
}

/**
 * When the process has to be gone, early enough for the kernel to take down its memory, which is looked at near the end
 * only. Undefined while nobody asked for an end.
 *
 * @param now on the shared clock
 * @param resident bytes of resident memory
 */
export function planEndByMemory (
  applications: readonly WatchedState[],
  unheard: Unheard,
  now: number,
  resident: () => number = residentMemory
): ProcessEnd | undefined {
  const end = planEnd(applications, unheard)
  if (end === undefined || now < end.hung - longestTeardown) return end
  return planEnd(applications, unheard, teardownTime(resident()))
}

/** How much earlier a process with so many bytes of resident memory has to be killed, in milliseconds. */
export function teardownTime (resident: number): number {
  return Math.min(longestTeardown, Math.max(0, resident - smallMemory) / 2 ** 30 * teardownPace)
}

/** The resident memory of the process in bytes; what it has had at most where no descriptor is left to read that. */
export function residentMemory (): number {
  try {
    return process.memoryUsage.rss()
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}

/** What a watchdog cannot do in a process of this id; undefined where it can do all. */
export function limitOf (pid: number): string | undefined {
  return pid === 1
    ? 'this process is PID 1, which cannot kill itself: where native code hangs at the deadline, only the '
      + 'kubelet ends it. An init, or shareProcessNamespace, avoids that'
    : undefined
}

/**
 * By when an application's work must be over, on the shared clock: in phase 4 its close, too.
 * Undefined while no end is under way.
 */
export function deadlineOf (application: WatchedState, { signals, prestop }: Unheard): number | undefined {
  const { phase, graceStart, gracePeriod, preStop, reserve, close } = application
  const signal = signals.find(({ name }) => application.signals.includes(name))
  const start = graceStart ?? (signal === undefined ? prestop : graceStartOf(application, signal.at, preStop, prestop))
  return start === undefined ? undefined : start + gracePeriod - reserve - (phase === 'terminated' ? 0 : close)
}

function graceStartOf (
  { graceStart, gracePeriod, ending }: WatchedState,
  signalled: number,
  preStop: number,
  prestop: number | undefined
): number {
  if (ending && graceStart !== undefined) return graceStart
  const called = graceStart ?? prestop
  // A call that the grace period is over for was on nobody's clock.
  return called !== undefined && signalled < called + gracePeriod ? called : signalled - preStop
}

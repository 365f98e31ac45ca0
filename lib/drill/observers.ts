import type { DrillObserver } from './drill.ts'

/** One observer that tells all of them, in their order. */
export function observers (all: readonly DrillObserver[]): DrillObserver {
  return {
    begin: (drill) => all.forEach((one) => one.begin?.(drill)),
    started: (replica) => all.forEach((one) => one.started?.(replica)),
    changed: (replica, what) => all.forEach((one) => one.changed?.(replica, what)),
    line: (replica, line) => all.forEach((one) => one.line?.(replica, line)),
    ended: (drill) => all.forEach((one) => one.ended?.(drill))
  }
}

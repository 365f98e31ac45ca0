import { closeSync, fstatSync, openSync, statSync } from 'node:fs'
import { devNull } from 'node:os'

/**
 * Keeps a descriptor for the end: the last word and the look at the main thread need one, and a process that hangs
 * may have none left. The main thread opens it and closes it again, for the thread's own would outlive the thread.
 */
export function reserveDescriptor (): number | undefined {
  try {
    return openSync(devNull, 'r')
  } catch {
    return undefined
  }
}

/** Gives the descriptor up, unless it is somebody else's by now: who has closed all above 2 has closed ours, too. */
export function releaseDescriptor (reserved: number | undefined): void {
  if (reserved === undefined) return
  try {
    if (fstatSync(reserved).rdev === statSync(devNull).rdev) closeSync(reserved)
  } catch {
    // It is closed.
  }
}

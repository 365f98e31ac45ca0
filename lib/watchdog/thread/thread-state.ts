import { readFileSync } from 'node:fs'

/** What the kernel knows of the main thread. */
export interface ThreadState {
  /** It computes, or is ready to. Undefined where the platform does not tell. */
  computes: boolean | undefined
  /** It waits for another thread, as in `Atomics.wait` and at a breakpoint. */
  waits: boolean
}

/** `futex` on x86-64, arm64 and riscv64, and what a 32-bit arm calls it. */
const futexCalls = new Set(['202', '98', '240'])

/** Looks at the main thread from outside; Linux alone tells. */
export function mainThreadState (): ThreadState {
  const folder = `/proc/self/task/${process.pid}`
  try {
    // The name in parentheses may hold anything.
    const state = readFileSync(`${folder}/stat`, 'latin1').replace(/^.*\) /s, '')[0]
    return { computes: state === 'R', waits: state !== 'R' && waitsForThread(folder) }
  } catch {
    return { computes: undefined, waits: false }
  }
}

function waitsForThread (folder: string): boolean {
  try {
    const [call = ''] = readFileSync(`${folder}/syscall`, 'latin1').split(' ')
    return futexCalls.has(call)
  } catch {
    // Without the right to see the call: any wait may be one.
    return true
  }
}

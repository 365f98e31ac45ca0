import { readdirSync, readFileSync } from 'node:fs'

/** What a process has waited for, since it is measured. */
export interface Delay {
  /** Milliseconds. */
  readonly total: number
  /** Calls back after so many milliseconds and the delay that they bring, and answers what calls that off. */
  timeout (ms: number, act: () => void): () => void
  stop (): void
}

/**
 * How long the kernel has kept the threads of a process waiting for a processor since this call, all of them
 * together or the main one alone. Where several processes compute, that is more than this process, which rests, sees
 * of it by its own clock.
 */
export function measureDelay (pid: number, { isOfMainThread = false }: { isOfMainThread?: boolean } = {}): Delay {
  const measure = (): number => delayOf(pid, isOfMainThread)
  const before = measure()
  let total = 0
  const look = (): void => { total = Math.max(total, measure() - before) }
  const ticker = setInterval(look, 20)
  const timeout = (ms: number, act: () => void): (() => void) => {
    const end = performance.now() + ms - total
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const left = end + total - performance.now()
      timer = setTimeout(left > 0 ? wait : act, Math.max(0, left))
    }
    wait()
    return () => clearTimeout(timer)
  }
  return { get total () { return total }, timeout, stop: () => clearInterval(ticker) }
}

/**
 * How many milliseconds the threads of a process, or its main one, have waited for a processor since they were born.
 */
export function delayOf (pid: number, isOfMainThread: boolean = false): number {
  return usageOf(pid, isOfMainThread).waited
}

/** Milliseconds that the threads of a process have spent since they were born. */
export interface Usage {
  /** On a processor. */
  readonly computed: number
  /** On a run queue, ready to compute. */
  readonly waited: number
}

/** What the first two figures of `schedstat` say of the threads of a process, or of its main one. */
export function usageOf (pid: number, isOfMainThread: boolean = false): Usage {
  const folder = `/proc/${pid}/task`
  let computed = 0
  let waited = 0
  try {
    for (const task of isOfMainThread ? [String(pid)] : readdirSync(folder)) {
      const [onProcessor, onQueue] = readFileSync(`${folder}/${task}/schedstat`, 'utf8').split(' ').map(Number)
      computed += onProcessor! / 1e6
      waited += onQueue! / 1e6
    }
    return { computed, waited }
  } catch {
    // A thread, or the whole process, has ended in between, or the kernel does not count.
    return { computed: 0, waited: 0 }
  }
}

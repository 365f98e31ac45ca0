import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds between two looks. */
const interval = 50

/** The processes below a child, known by number. A number alone may be somebody else's by the time it is used. */
export class Orphans {
  /** When each began, as the kernel says it; undefined where it says nothing. */
  readonly #begun = new Map<number, string | undefined>()

  /** Notes the processes below the child, which has told of all of them. */
  note (pids: readonly number[]): void {
    for (const pid of this.#begun.keys()) if (!pids.includes(pid) && !this.#isAlive(pid)) this.#begun.delete(pid)
    for (const pid of pids) if (!this.#begun.has(pid)) this.#begun.set(pid, beginOf(pid))
  }

  get alive (): number[] {
    return [...this.#begun.keys()].filter((pid) => this.#isAlive(pid))
  }

  /**
   * Waits until none is left. Whoever is, after `timeout` milliseconds, is killed where it is
   * certain who that is; answers those.
   */
  async gone (timeout: number): Promise<number[]> {
    const end = performance.now() + timeout
    while (this.alive.length > 0) {
      if (performance.now() >= end) return this.kill()
      // oxlint-disable-next-line no-await-in-loop -- it looks again and again
      await sleep(interval)
    }
    return []
  }

  kill (): number[] {
    const killed = this.alive.filter((pid) => this.#begun.get(pid) !== undefined)
    for (const pid of killed) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended in this moment.
      }
    }
    return killed
  }

  #isAlive (pid: number): boolean {
    const begun = this.#begun.get(pid)
    if (begun !== undefined) return beginOf(pid) === begun
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
}

/**
 * The kernel's start time of a process, on Linux; undefined elsewhere, and where it has ended,
 * whether or not somebody has reaped it.
 */
function beginOf (pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

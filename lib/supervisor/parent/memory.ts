import type { Child } from './child.ts'
import type { SupervisorLog } from './terminal.ts'
import type { Slot } from './respawn.ts'

/** How long a child has to have too much, in milliseconds: what is garbage may be gone at the next look. */
const patience = 3000
/**
 * How long after a replacement the next one of a place may come, in milliseconds: at first, and at most. It doubles
 * while each new child has too much within the first of the two.
 */
const [shortest, longest] = [60_000, 3_600_000]

/** Of one place: how long its next replacement has to wait after the last one, and until when. */
interface Pace { pause: number, until: number }

type Measured = Pick<Child, 'title' | 'leaving' | 'readyFor' | 'place' | 'pid' | 'state'>

/** What a limit needs of the supervisor. */
export interface MemoryParts {
  /** In bytes; undefined where there is none. */
  limit: number | undefined
  log: SupervisorLog
  now: () => number
  /**
   * Replaces the child of a place. Settles with why it was not, if so; undefined where it has to be asked again later.
   */
  replace (slot: Slot, why: string): Promise<string | undefined> | undefined
}

/** Finds children that have more memory than they may. */
export class MemoryLimit {
  readonly #parts: MemoryParts
  /** Since when who has too much. */
  readonly #since = new WeakMap<Measured, number>()
  readonly #paces = new WeakMap<Slot, Pace>()
  readonly #warned = new WeakSet<Measured>()

  constructor (parts: MemoryParts) {
    this.#parts = parts
  }

  /** A child has told how much it has. */
  look (slot: Slot, child: Measured): void {
    const { limit, now } = this.#parts
    const { readyFor, state: { memory } } = child
    if (limit === undefined || memory === undefined || memory <= limit) return void this.#since.delete(child)
    const since = this.#since.get(child) ?? now()
    this.#since.set(child, since)
    const tooMuchFor = now() - since
    if (tooMuchFor < patience || slot.child !== child || child.leaving || readyFor === undefined) return
    // Its successor starts already.
    if (slot.successor !== undefined) return
    const pace = this.#paces.get(slot) ?? { pause: 0, until: 0 }
    const isFast = readyFor - tooMuchFor < shortest
    if (now() < pace.until) {
      if (isFast) this.#warn(child, memory, limit, pace.until - now())
      return
    }
    const text = `has ${mebibytes(memory)}, more than maxMemory of ${mebibytes(limit)}`
    const replaced = this.#parts.replace(slot, `replaced: it ${text}`)
    if (replaced === undefined) return
    pace.pause = isFast ? Math.min(longest, Math.max(shortest, pace.pause * 2)) : shortest
    pace.until = now() + pace.pause
    this.#paces.set(slot, pace)
    const fields = { event: 'graceful.supervisor.memory', child: child.place, childPid: child.pid, memory, limit }
    this.#parts.log.warn(fields, `${child.title} ${text}: it is replaced`)
    void replaced.then((problem) => {
      if (problem === undefined) return
      this.#parts.log.error({ ...fields, problem }, `${child.title} ${text}, and stays: ${problem}`)
    })
  }

  #warn (child: Measured, memory: number, limit: number, wait: number): void {
    if (this.#warned.has(child)) return
    this.#warned.add(child)
    const seconds = Math.ceil(wait / 1000)
    this.#parts.log.warn(
      { event: 'graceful.supervisor.memory', child: child.place, childPid: child.pid, memory, limit, wait: seconds },
      `${child.title} has ${mebibytes(memory)} soon after its start, more than maxMemory of ${mebibytes(limit)}, and `
        + 'its place had a new child a moment ago: the limit is too low for this service, or it loads too much at its '
        + `start. It is replaced in ${seconds} s at the earliest`
    )
  }
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`

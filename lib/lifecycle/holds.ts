import { invalidArgument, takeOptions } from '../errors.ts'
import { longestTimer } from '../util/given.ts'
import { clip } from '../util/text.ts'

/** How a hold is held. */
export interface HoldOptions {
  /**
   * Milliseconds after which the hold counts as failed, where it was not released. Taken before boot is over, such a
   * hold is part of the start: the startup probe is good when it is released, and fails until then, so that a kubelet
   * restarts what never gets ready. Default: it never fails.
   */
  timeout?: number
}

/** What `hold` answers: call `release`, or let `using` do it. */
export interface Hold extends Disposable {
  /** Ends the hold, also one that has failed; a second call does nothing. */
  release (): void
}

/** What the holds need of the others. */
export interface HoldPorts {
  /** A hold was taken, or released. */
  changed: (reason: string, held: boolean) => void
  /** A hold was not released within its timeout. */
  failed: (reason: string, timeout: number) => void
  /** Calls back once after `delay` milliseconds, without keeping the process; the answer cancels it. */
  after: (delay: number, callback: () => void) => () => void
  /** Whether boot is over. */
  started: () => boolean
}

interface Held {
  reason: string
  timeout: number | undefined
  /** The start waits for it. */
  starts: boolean
  failed: boolean
  cancel: () => void
}

/** Who keeps the service from being ready, one holder each. */
export class Holds {
  readonly #holds = new Set<Held>()
  readonly #ports: HoldPorts
  #stopped = false

  constructor (ports: HoldPorts) {
    this.#ports = ports
  }

  /**
   * Not ready while held.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
   */
  add (reason: string, options: HoldOptions = {}): Hold {
    if (typeof reason !== 'string' || reason === '') {
      throw invalidArgument("the reason given to 'hold'", 'a non-empty string', reason)
    }
    const { timeout } = takeOptions(options, "'hold'", ['timeout'])
    if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout <= longestTimer)) {
      throw invalidArgument(
        "the timeout given to 'hold'",
        `a number of milliseconds, more than 0 and at most ${longestTimer}`,
        timeout
      )
    }
    const { changed, failed, after, started } = this.#ports
    const starts = timeout !== undefined && !started()
    const held: Held = { reason: clip(reason), timeout, starts, failed: false, cancel: () => {} }
    this.#holds.add(held)
    changed(held.reason, true)
    if (timeout !== undefined && !this.#stopped) {
      held.cancel = after(timeout, () => {
        held.failed = true
        failed(held.reason, timeout)
      })
    }
    const release = (): void => {
      held.cancel()
      if (this.#holds.delete(held)) changed(held.reason, false)
    }
    return { release, [Symbol.dispose]: release }
  }

  /** The reasons of all who hold; that of a hold that has failed says so. */
  reasons (): string[] {
    return [...this.#holds].map(described)
  }

  /** The reasons of those for whom the start waits, or that have failed. */
  startup (): string[] {
    return [...this.#holds].filter(({ starts, failed }) => starts || failed).map(described)
  }

  /** No timer is left: what is held at the end has not failed. */
  stop (): void {
    this.#stopped = true
    for (const { cancel } of this.#holds) cancel()
  }
}

function described ({ reason, timeout, failed }: Held): string {
  return failed ? `${reason} (failed: not released within ${timeout} ms)` : reason
}

import { messageOf } from '../errors.ts'
import { deferred } from '../util/promises.ts'
import type { Deferred } from '../util/promises.ts'
import type { Released } from '../lifecycle/driver.ts'
import { isShuttingDown } from './exit.ts'
import type { Host } from './host.ts'
import { OtherListeners } from './other-listeners.ts'
import { RaisedSignals } from './raised.ts'
import type { Member } from './types.ts'

/** How long the process stays for one of the others that is written to end it, in milliseconds. */
const mostPatience = 5000

/** When others hear of a signal: once, when phase 4 has begun for all applications that it ends. */
export class Release {
  readonly others: OtherListeners
  readonly raised: RaisedSignals
  readonly #host: Host
  readonly #members: () => Member[]
  /** Made when somebody waits, for a promise keeps the async context that it was made in. */
  #over: Deferred<unknown> | undefined

  constructor (host: Host, members: () => Member[]) {
    this.#host = host
    this.#members = members
    this.raised = new RaisedSignals(host)
    this.others = new OtherListeners(host, { noted: () => this.#late(), isRaised: (signal) => this.raised.has(signal) })
  }

  /** Phase 4 of a member begins; what it has to wait for. */
  begin (member: Member): Released[] {
    if (!isShuttingDown(member)) return []
    // Another one is not as far: the first to come waits as well.
    if (!this.#isDue()) {
      return this.others.pending
        ? [{ name: 'listeners of others', settled: (this.#over ??= deferred<unknown>()).promise }]
        : []
    }
    return this.#release()
  }

  /** How long the process waits for one of the others that is about to end it, when its own work is done. */
  patience (ended: readonly Member[]): number {
    if (!this.others.mayExit) return 0
    const { clock } = this.#host
    const deadlines = ended.flatMap(({ lifecycle }) => lifecycle.deadline ?? [])
    return Math.max(0, Math.min(mostPatience, ...deadlines.map((deadline) => deadline - clock.epoch())))
  }

  /** Nobody ends any more. */
  reset (): void {
    this.others.reset()
    this.raised.uninstall()
    this.#over = undefined
  }

  #isDue (): boolean {
    const ending = this.#members().filter(isShuttingDown)
    return ending.length > 0 && ending.every(({ lifecycle }) => lifecycle.phase === 'terminated')
  }

  #release (): Released[] {
    if (this.#members().some(({ otherListeners }) => otherListeners === 'after')) this.raised.install()
    const released = this.others.release()
    this.#over?.resolve(Promise.allSettled(released.map(({ settled }) => settled)))
    return released
  }

  /** A signal that comes in phase 4: nothing has to be served any more, and nobody waits. */
  #late (): void {
    if (!this.others.pending || !this.#isDue()) return
    const [member] = this.#members().filter(isShuttingDown)
    for (const { name, settled } of this.#release()) {
      Promise.resolve(settled)
        .catch((error: unknown) => member?.lifecycle.fail({ name, message: messageOf(error) }, error))
    }
  }
}

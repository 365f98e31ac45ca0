import { messageOf } from '../errors.ts'
import type { Released } from '../lifecycle/driver.ts'
import { isAtLeast } from '../lifecycle/phase.ts'
import { deferred } from '../util/promises.ts'
import type { Deferred } from '../util/promises.ts'
import { isShuttingDown } from './exit.ts'
import type { Host } from './host.ts'
import { OtherListeners } from './other-listeners.ts'
import type { Member } from './types.ts'

/** How long the process stays for one of the others that may end it, or has started something, in milliseconds. */
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

  /**
   * Waits for one of the others that may be about to end the process, and for what others have started, when the
   * applications' own work is done: as long as something is open that keeps the process, within its grace period.
   */
  async linger (ended: readonly Member[]): Promise<void> {
    const { mayExit, work } = this.others
    if (!mayExit && !work.isOpen) return
    const { clock } = this.#host
    const deadlines = ended.flatMap(({ lifecycle }) => lifecycle.deadline ?? [])
    const most = Math.min(mostPatience, ...deadlines.map((deadline) => deadline - clock.epoch()))
    if (most > 0) await this.#host.linger(most, mayExit ? undefined : work.over())
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

/**
 * Signals that somebody in this process raises once others have heard of the one that ends it:
 * Nest, like other frameworks and libraries, raises it again when its hooks are over, to end the
 * process. Such a one is no second signal. One from outside is.
 */
class RaisedSignals {
  readonly #host: Host
  /** Those that were sent to this very process and have not come yet. */
  readonly #sent = new Set<string>()
  /** The one that is being delivered now. */
  #current: string | undefined
  #uninstall: (() => void) | undefined

  constructor (host: Host) {
    this.#host = host
  }

  /** From now on. */
  install (): void {
    if (this.#uninstall !== undefined) return
    const { events } = this.#host
    const restores = [
      patch(events, 'kill', (kill) => (target, signal) => {
        const name = this.#nameOf(signal ?? 'SIGTERM')
        if (name !== undefined && isThisProcess(target)) this.#sent.add(name)
        return kill(target, signal)
      }),
      // What comes from the system goes past this: Node has bound what it calls when our listener was added.
      patch(events, 'emit', (emit) => (event, ...parameters) => {
        if (this.#host.signalNumber(event) === undefined) return emit(event, ...parameters)
        const before = this.#current
        this.#current = event
        try {
          return emit(event, ...parameters)
        } finally {
          this.#current = before
        }
      })
    ]
    this.#uninstall = () => { for (const restore of restores) restore() }
  }

  uninstall (): void {
    this.#uninstall?.()
    this.#uninstall = undefined
    this.#sent.clear()
  }

  /** Whether somebody here has raised the signal being delivered now: the same for all listeners of one delivery. */
  has (signal: string): boolean {
    if (this.#current === signal) return true
    if (!this.#sent.delete(signal)) return false
    this.#current = signal
    queueMicrotask(() => { this.#current = undefined })
    return true
  }

  #nameOf (signal: string | number): string | undefined {
    if (typeof signal === 'string') return this.#host.signalNumber(signal) === undefined ? undefined : signal
    return this.#host.signalName(signal)
  }
}

/** Whether a signal to this target reaches this process: itself, its group, or the number of the group it leads. */
function isThisProcess (target: number): boolean {
  return [process.pid, 0, -process.pid].includes(target)
}

/** Replaces a method, and answers what brings it back. One that somebody else has replaced since stays. */
function patch<K extends 'kill' | 'emit'> (
  events: Host['events'],
  name: K,
  make: (original: Host['events'][K]) => Host['events'][K]
): () => void {
  const own = Object.hasOwn(events, name)
  const original = events[name]
  const patched = make(((...parameters: never[]) => Reflect.apply(original, events, parameters)) as Host['events'][K])
  events[name] = patched
  return () => {
    if (events[name] !== patched) return
    if (own) events[name] = original
    else delete (events as Partial<Host['events']>)[name]
  }
}

/**
 * The barrier that keeps the applications of a process in step: says of another one that it is shutting down too, and
 * is either in an earlier phase, or in the same phase and still stalled. Undefined where nobody has to be waited for.
 */
export function describeStep (member: Member, members: Iterable<Member>): string | undefined {
  const { phase, request } = member.lifecycle
  if (phase === 'terminated' || request?.kind === 'close') return undefined
  for (const other of members) {
    const { lifecycle } = other
    if (other === member || other.finished || !lifecycle.ending || lifecycle.request?.kind === 'close') continue
    const ahead = lifecycle.phase !== phase && isAtLeast(lifecycle.phase, phase)
    if (ahead || (lifecycle.phase === phase && lifecycle.clear)) continue
    return `${other.name} is in phase '${lifecycle.phase}'`
  }
  return undefined
}

import { messageOf } from '../errors.ts'
import type { Report } from '../lifecycle/report.ts'
import { CrashHandlers, crashMembers, logCrash } from './crash.ts'
import type { CrashOrigin } from './crash.ts'
import { DisconnectOrder, ShutdownMessage } from './ipc.ts'
import { endProcess, exitProcess, ExitWitness, isShuttingDown } from './exit.ts'
import { describeOthers } from './listener-name.ts'
import { systemHost, holdTick } from './host.ts'
import type { Host } from './host.ts'
import type { ShutdownOrder } from './ipc.ts'
import { Release, describeStep } from './release.ts'
import { sharedState } from './shared.ts'
import type { ReceivedSignal, SharedRegistry, SharedState } from './shared.ts'
import { actionOf, SignalRouter } from './signals.ts'
import type { Member, MemberOptions, Membership } from './types.ts'

/**
 * Enters an application into the registry of the process, which all copies of the package share.
 * From here on signals reach it, so boot is covered. Crash handlers follow with
 * {@link Membership.listening}, so that a test runner keeps its own.
 *
 * In a worker thread there are no signals, no crash handlers and no exit.
 */
export function joinProcess (options: MemberOptions): Membership {
  const shared = sharedState()
  shared.registry ??= new ProcessRegistry(systemHost, shared)
  holdTick(shared)
  return shared.registry.join(options)
}

/** All applications of a process: they are shut down together, and the process exits when the last one is done. */
export class ProcessRegistry implements SharedRegistry {
  readonly #host: Host
  readonly #shared: SharedState
  readonly #members = new Set<Member>()
  readonly #signals: SignalRouter
  readonly #release: Release
  readonly #message: ShutdownMessage
  readonly #disconnect: DisconnectOrder
  readonly #crash: CrashHandlers
  readonly #witness: ExitWitness
  /** Whose end the end of the process is, in the order in which they finished. */
  readonly #ended: Member[] = []
  /** Their exit codes, in the same order. */
  readonly #codes: number[] = []
  /** A shutdown or a crash has decided that the process ends with its last application. */
  #exitWanted = false
  #exiting = false
  #crashed = false
  /** The last crash that was logged: a destination that fails on each line must not be told of each failure. */
  #lastCrash: string | undefined
  #warnedOf = ''

  constructor (host: Host, shared: SharedState) {
    this.#host = host
    this.#shared = shared
    const members = (): Member[] => [...this.#members]
    this.#release = new Release(host, members)
    this.#signals = new SignalRouter(host, {
      members,
      release: this.#release,
      exitNow: (code) => exitProcess(host, shared, code),
      began: () => this.#updateCrash()
    })
    this.#message = new ShutdownMessage(host, (order) => this.#obey(order))
    this.#disconnect = new DisconnectOrder(
      host,
      () => this.#obey({ signal: 'SIGTERM', replaced: true, elapsed: 0, count: undefined })
    )
    this.#crash = new CrashHandlers(host, (origin, error) => this.#onCrash(origin, error))
    this.#witness = new ExitWitness(host, shared, { members, conclude: (code) => this.#conclude(code) })
  }

  get size (): number { return this.#members.size }

  handles (signal: string): boolean {
    return [...this.#members].some((member) => actionOf(member, signal) !== false)
  }

  join (options: MemberOptions): Membership {
    const bound = this.#host.mainThread ? options : { ...options, signals: {}, exit: false }
    const member: Member = { ...bound, finished: false, listens: false, exitAsked: false, uncaught: new Set() }
    this.#members.add(member)
    this.#install()
    // Not before the caller has its membership and has connected what listens to the phases.
    queueMicrotask(() => this.#admit(member))
    return {
      others: () => describeStep(member, this.#members),
      listening: () => this.#listening(member),
      serves: () => member.listens && !member.finished,
      endsProcess: () =>
        member.exit && member.lifecycle.ending && (member.exitAsked || member.lifecycle.request?.kind !== 'close'),
      signalled: () => this.#signals.counted,
      askExit: () => { member.exitAsked = true },
      exitAsked: () => member.exitAsked,
      leave: (report) => this.#leave(member, report),
      releaseOthers: () => this.#release.begin(member),
      onUncaught: (listener) => {
        member.uncaught.add(listener)
        return () => { member.uncaught.delete(listener) }
      }
    }
  }

  /** A message that stands for a signal which nobody here acts on is still an order. */
  #obey ({ signal, ...order }: ShutdownOrder): void {
    this.#signals.receive(this.handles(signal) ? signal : 'SIGTERM', order)
  }

  #install (): void {
    if (!this.#host.mainThread) return
    this.#signals.update()
    this.#witness.install()
    if (!this.handles('SIGTERM')) return
    this.#message.install()
    this.#disconnect.install()
  }

  #admit (member: Member): void {
    if (!this.#members.has(member)) return
    const { early } = this.#shared
    const take = (): ReceivedSignal | undefined =>
      early?.first !== undefined && actionOf(member, early.first.signal) !== false ? early.take() : undefined
    let received = take()
    if (received === undefined) return this.#signals.admit(member)
    for (; received !== undefined; received = take()) this.#signals.receive(received.signal, received)
  }

  #listening (member: Member): void {
    if (!this.#host.mainThread || !this.#members.has(member)) return
    member.listens = true
    this.#updateCrash()
    const others = describeOthers(
      this.#host,
      member,
      this.#signals.listeners.keys(),
      new Set(this.#shared.early?.listeners.values())
    )
    if (others === undefined || others.names === this.#warnedOf) return
    this.#warnedOf = others.names
    member.log[member.otherListeners === 'after' ? 'info' : 'warn']({ listeners: others.names }, others.line)
  }

  /** Crash handlers belong to a process that serves, or that a signal is ending. */
  #updateCrash (): void {
    const wanted = [...this.#members].some((member) =>
      member.exit && member.crash && (member.listens || isShuttingDown(member))
    )
    // While the logs are flushed, too.
    if (wanted || !this.#exitWanted) this.#crash.update(wanted)
  }

  #leave (member: Member, report: Report): void {
    member.finished = true
    if (member.exit && (report.kind !== 'close' || member.exitAsked)) this.#exitWanted = true
    if (this.#exitWanted || this.#isEnding()) {
      this.#ended.push(member)
      this.#codes.push(report.exitCode)
    }
    if (this.#shared.exiting) return
    this.#remove(member)
    this.#exitIfLast()
  }

  /** Whether some application is on its way to an end that is more than a plain close. */
  #isEnding (): boolean {
    return [...this.#members].some(isShuttingDown)
  }

  #remove (member: Member): void {
    // Until the exit the listeners stay, for a third signal.
    if (this.#exitWanted || !this.#members.delete(member)) return
    this.#signals.update()
    if (!this.handles('SIGTERM')) {
      this.#message.uninstall()
      this.#disconnect.uninstall()
    }
    this.#updateCrash()
    if (this.#members.size === 0) this.#witness.uninstall()
    if (!this.#isEnding()) this.#reset()
  }

  #reset (): void {
    this.#signals.reset()
    this.#release.reset()
    this.#ended.length = 0
    this.#codes.length = 0
    this.#crashed = false
    this.#lastCrash = undefined
    if (this.#members.size === 0) this.#warnedOf = ''
  }

  #exitIfLast (): void {
    if (!this.#exitWanted || this.#exiting || [...this.#members].some(isOpen)) return
    this.#exiting = true
    // One of the others may have led here, as with an `app.close()`: what it has started is waited for, this is not.
    this.#release.others.work.outside(() => { void this.#end() })
  }

  async #end (): Promise<void> {
    await this.#release.linger(this.#ended)
    await endProcess(this.#host, this.#shared, this.#ended, () => this.#code())
  }

  #code (): number {
    return this.#codes.find((code) => code !== 0) ?? (this.#crashed ? 1 : 0)
  }

  /**
   * Somebody whom we let act in phase 4 ends the process: the code is ours, and the report is written.
   *
   * @returns undefined where it is no such end
   */
  #conclude (code: number): number | undefined {
    const members = [...this.#members].filter((member) =>
      member.exit && isShuttingDown(member) && member.lifecycle.report === undefined
    )
    if (!this.#release.others.released || (members.length === 0 && !this.#exitWanted)) return undefined
    // An error that nobody has caught: `process.exit` would have set it.
    if (code !== 0 && (this.#host.events.exitCode ?? undefined) === undefined) return undefined
    // Whoever can make a report leaves with it.
    for (const member of members) if (member.conclude?.() !== true) this.#codes.push(code)
    return this.#code()
  }

  #onCrash (origin: CrashOrigin, error: unknown): void {
    const members = [...this.#members]
    const text = `${origin}: ${messageOf(error)}`
    this.#crashed = true
    // Also where an application is merely being closed.
    this.#exitWanted ||= members.some((member) => member.exit)
    if (text !== this.#lastCrash) {
      this.#lastCrash = text
      logCrash(members[0], `${text}, ${this.#isEnding() ? 'during the shutdown' : 'shutting down'}`, error)
    }
    crashMembers(members.filter(({ finished }) => !finished), origin, error)
  }
}

/** Whether the process has to stay for a member: one that ends or serves, not one that merely exists. */
function isOpen ({ finished, lifecycle, listens }: Member): boolean {
  return !finished && (lifecycle.ending || listens)
}

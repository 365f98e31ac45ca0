import { constants } from 'node:os'
import { markOf } from './observation.ts'
import type { End, Sent, Told } from './observation.ts'
import type { Plan, SignalName } from './plan.ts'

// What docs/guides/signals.md and docs/reference say of signals, as the ends that a process may have. Who looks on does
// not know when a signal was handled, so where its moment matters each possible one is followed, and only there.

/** One of the ends that a process may have. */
export interface PossibleEnd extends End {
  /** When it has to be gone, in milliseconds since the start, on a machine that delays nothing. */
  by: number
  /** How many signals counted. */
  count: number
  /** How many reports it has to leave. */
  reports: 'one' | 'none' | 'any'
  why: string
}

/** What the ends of a process follow from. */
export interface Situation {
  plan: Plan
  told: Told
  /** What was sent to this process, and came while it was there, in the order of sending. */
  sent: ReadonlyArray<Pick<Sent, 'name' | 'at' | 'pause'>>
  end: End & { at: number }
  /** By how many milliseconds a signal may be handled late: the machine, and what the plan did to the process. */
  slack: number
  /** For how many of them the process may not have run at all. */
  paused: number
  /** Whether the machine was so late that draining has run into its cap. */
  isStarved?: boolean
}

/** What a signal does. */
type Action = 'shutdown' | 'restart' | 'ignore' | 'lethal' | 'harmless'

/** The same signal again within this time is a duplicate, in milliseconds. */
const duplicateWindow = 1000
/** How long an end may take beside what is served, in milliseconds: phase 2, idle connections, streams, the exit. */
const manners = 3000
/** A second signal leaves four phases of a second. */
const hurried = 4500
const atOnce = 1000
/** How long `fastify-graceful/signals` waits for an application. */
const patience = 5000

/** What a signal does to a service of this plan. */
export function actionOf ({ hangUp, user2 }: Pick<Plan, 'hangUp' | 'user2'>, name: SignalName): Action {
  switch (name) {
    case 'SIGTERM': case 'SIGINT': case 'message': return 'shutdown'
    case 'SIGHUP': return hangUp
    case 'SIGUSR2': return user2 === 'restart' ? 'restart' : 'lethal'
    case 'SIGKILL': case 'SIGQUIT': return 'lethal'
    case 'SIGUSR1': case 'SIGSTOP': case 'SIGPIPE': case 'SIGWINCH': return 'harmless'
  }
}

/** Milliseconds that what is served may take. */
export function longestWork ({ stubborn }: Pick<Plan, 'stubborn'>): number { return Math.max(stubborn, 700) + 250 }

interface State {
  count: number
  first: { at: number, action: Action } | undefined
  second: number | undefined
  counted: ReadonlyMap<string, number>
  /** What the early listeners remember. */
  remembered: { name: SignalName, at: number } | undefined
}

const exitCodeOf = (name: SignalName): number => 128 + constants.signals[name === 'message' ? 'SIGTERM' : name]

/** Follows the signals of a service alone. */
class Follower {
  readonly #situation: Situation
  readonly #ends: PossibleEnd[] = []
  readonly #guard: number
  readonly #registered: number
  readonly #crash: { at: number, serves: boolean } | undefined
  readonly #hang: number | undefined

  constructor (situation: Situation) {
    this.#situation = situation
    const { plan, told } = situation
    this.#registered = markOf(told, 'registered')?.at ?? Infinity
    this.#guard = (plan.isEarly ? markOf(told, 'early')?.at : undefined) ?? this.#registered
    const crash = markOf(told, 'exception') ?? markOf(told, 'rejection')
    this.#crash = crash && { at: crash.at, serves: (markOf(told, 'listening')?.at ?? Infinity) <= crash.at }
    this.#hang = markOf(told, 'hang')?.at
  }

  follow (): PossibleEnd[] {
    this.#next(0, { count: 0, first: undefined, second: undefined, counted: new Map(), remembered: undefined })
    return this.#ends
  }

  #next (index: number, state: State): void {
    const { sent, plan, told } = this.#situation
    const signal = sent[index]
    if (signal === undefined) return this.#finish(state)
    const { name, at } = signal
    const action = actionOf(plan, name)
    const goOn = (changes: Partial<State> = {}): void => this.#next(index + 1, { ...state, ...changes })
    if (action === 'harmless') {
      // Before Node runs they do what the kernel says.
      if (told.marks.length === 0) this.#dies(name, at, state.count)
      return goOn()
    }
    if (action === 'lethal' && !(name === 'SIGUSR2' && plan.user2 === 'restart')) {
      this.#dies(name, at, state.count)
      // It may have ended before.
      if (state.count > 0 || this.#crash !== undefined) goOn()
      return
    }
    // What has no mark of being guarded was not: with one, the signal came behind it.
    const isUnguarded = name === 'SIGUSR2' ? this.#registered : this.#guard
    if (isUnguarded === Infinity) {
      this.#dies(name, at, state.count)
      // Of two that come before the process gets to run, either may be the one.
      return goOn()
    }
    if (plan.isEarly && at < this.#registered && name !== 'SIGUSR2') this.#remember(name, at, state, goOn)
    if (this.#registered < Infinity) this.#receive(name, at, action, state, goOn)
  }

  #remember (name: SignalName, at: number, state: State, goOn: (changes?: Partial<State>) => void): void {
    const { remembered } = state
    if (remembered === undefined) {
      if (this.#registered === Infinity) goOn({ remembered: { name, at } })
      return
    }
    const gap = at - remembered.at
    const { slack } = this.#situation
    if (gap - slack < duplicateWindow) goOn()
    if (gap + slack >= duplicateWindow) this.#exits(exitCodeOf(name), at + atOnce, 'none', 'a second signal in boot', 0)
  }

  #receive (name: SignalName, at: number, action: Action, state: State,
    goOn: (changes?: Partial<State>) => void): void {
    const { slack, end } = this.#situation
    const key = name === 'message' ? 'SIGTERM' : name
    const last = state.counted.get(key)
    if (last !== undefined && at - last - slack < duplicateWindow) goOn()
    if (last !== undefined && at - last + slack < duplicateWindow) return
    const counted = new Map([...state.counted, [key, at]])
    if (action === 'ignore') return goOn({ counted })
    const count = state.count + 1
    if (count === 1) return goOn({ count, counted, first: { at, action } })
    if (count === 2) {
      return goOn({ count, counted, second: at })
    }
    this.#exits(exitCodeOf(name), at + atOnce, 'any', 'a third signal', 3)
    if (end.at - at <= atOnce + slack) goOn()
  }

  #finish (state: State): void {
    const { plan } = this.#situation
    const { count, first, second, remembered } = state
    const crash = this.#crash
    if (remembered !== undefined && this.#registered === Infinity) {
      this.#exits(exitCodeOf(remembered.name), remembered.at + patience + atOnce, 'none', 'nobody has registered', 0)
    }
    if (crash !== undefined && !crash.serves && count <= 1) {
      // Node's own way, as long as no end has begun.
      this.#exits(1, crash.at + atOnce, 'none', 'a crash in boot', 0)
    }
    const work = longestWork(plan) + (this.#registered === Infinity ? 0 : plan.boot) + manners
    const began = Math.max(first?.at ?? Infinity, Math.min(this.#registered, Number.MAX_SAFE_INTEGER))
    if (this.#hang !== undefined && first !== undefined) {
      return this.#exits(1, first.at + plan.gracePeriod + 300, 'any', 'the watchdog', Math.min(count, 2))
    }
    const base = first?.action === 'restart' ? plan.restartExitCode : 0
    if (crash !== undefined) {
      const by = Math.min(crash.at + work, second === undefined ? Infinity : second + hurried + work)
      if (crash.serves || count > 0) this.#exits(1, by, 'one', 'a crash', count)
      if (base !== 0) this.#exits(base, by, 'one', 'a crash in a restart', count)
      return
    }
    if (count === 0) return
    const by = Math.min(began + work, second === undefined ? Infinity : Math.max(second, this.#registered) + hurried)
    this.#exits(base, by, 'one', `${count} ${count === 1 ? 'signal' : 'signals'}`, count)
    const mayCut = count === 2 || this.#situation.isStarved === true
    if (mayCut && base === 0) this.#exits(1, by, 'one', 'something was cut', count)
  }

  #dies (name: SignalName, at: number, count: number): void {
    this.#ends.push({ code: null, signal: name, by: at + atOnce, count, reports: 'any', why: `${name} kills` })
  }

  #exits (code: number, by: number, reports: PossibleEnd['reports'], why: string, count: number): void {
    this.#ends.push({ code, signal: null, by, count, reports, why })
  }
}

/** The ends that a service may have which nobody supervises. None means that it has to go on. */
export function serviceEnds (situation: Situation): PossibleEnd[] {
  return ordersOf(situation).flatMap((sent) => new Follower({ ...situation, sent }).follow())
}

/**
 * The orders in which signals may have come. Of two that find a process that does not run, each goes to any of its
 * threads, and either may be handled first.
 */
function ordersOf ({ sent, paused }: Situation): Array<Situation['sent']> {
  const swapped = sent.slice(1).flatMap((second, index) => {
    const first = sent[index]!
    if (first.name === second.name || second.at - first.at > paused) return []
    return [sent.with(index, { ...second, at: first.at }).with(index + 1, { ...first, at: second.at })]
  })
  return [sent, ...swapped]
}

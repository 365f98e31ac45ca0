import type { PublicStatus } from '../../status/model.ts'
import { Viewers } from '../../page/viewers.ts'
import type { ViewerPorts } from '../../page/viewers.ts'
import { monotonic, silent } from '../heartbeat.ts'

/** Requests that are told of by name at most: the thread has little memory. */
export const mostShown = 50
/** How long the main thread may take for what those who watch are shown, in milliseconds. */
const patience = 200

/** A list whose items have an age. */
type Aging = Array<{ age?: number }> | undefined
type Known = Record<string, unknown> & { requests?: Aging, checks?: Aging }

/** What is seen from outside of the main thread. */
export interface Outside {
  publicStatus: () => PublicStatus
  eventLoop: () => { silence: number, blocked: boolean, blockedIn: string | undefined }
  /** What the main thread has told of itself without being asked, and a deadline that it may not know of. */
  told: () => object
  /** Asks the main thread for the status, with so many requests; undefined where it does not answer in time. */
  ask: (mostRequests: number, timeout: number) => Promise<unknown>
  /** How many watch. */
  counted: (viewers: number) => void
}

/**
 * The status for those who watch it on the watchdog's port: what the main thread answers, and while it
 * does not answer, what it said last, older by the time since then, with what is seen from outside.
 */
export class LiveStatus {
  readonly viewers: Viewers
  readonly #outside: Outside
  #last: { state: Known, at: number } | undefined

  constructor (outside: Outside) {
    this.#outside = outside
    const ports: ViewerPorts = {
      publicStatus: () => outside.publicStatus(),
      status: () => this.#read(),
      now: monotonic,
      counted: (viewers) => outside.counted(viewers)
    }
    this.viewers = new Viewers(ports)
  }

  /** The end is over: everybody is told. */
  finish (state: object): void {
    const { phase, number, since, ready } = state as PublicStatus
    this.viewers.finish(state, { phase, number, since, ready })
  }

  async #read (): Promise<object> {
    const { silence, blocked, blockedIn } = this.#outside.eventLoop()
    const answer = silence > silent ? undefined : await this.#outside.ask(mostShown, patience)
    if (isKnown(answer)) {
      this.#last = { state: answer, at: monotonic() }
      return { ...answer, eventLoop: { silence: 0, blocked: false } }
    }
    const told = this.#outside.told() as { deadline?: number }
    const last = this.#aged()
    // A signal that the main thread has not heard of starts the clock all the same.
    return {
      ...told,
      ...last,
      deadline: last['deadline'] ?? told.deadline,
      ...this.#outside.publicStatus(),
      eventLoop: { silence: Math.round(silence), blocked, blockedIn }
    }
  }

  #aged (): Known {
    if (this.#last === undefined) return {}
    const { state, at } = this.#last
    const older = (items: Aging): Aging =>
      items?.map((item) => item.age === undefined ? item : { ...item, age: Math.round(item.age + monotonic() - at) })
    return { ...state, requests: older(state.requests), checks: older(state.checks) }
  }
}

function isKnown (answer: unknown): answer is Known {
  return typeof answer === 'object' && answer !== null && 'phase' in answer
}

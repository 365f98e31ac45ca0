import { clearTimeout, setTimeout } from '../../util/timers.ts'
import type { Timer } from '../../util/timers.ts'
import { monotonic, unseen } from '../heartbeat.ts'
import type { SharedSnapshots, Snapshot } from '../heartbeat.ts'
import type { WatchedState, Verdicts } from '../protocol.ts'
import type { WatchedApplication } from './types.ts'

/** How many requests are told of each application. */
const mostRequests = 10

/** Where more requests than this were in flight, only each fifth heartbeat takes a look at them. */
const manyRequests = 25
const manyEvery = 5

/** The applications of a process, as they are told of. */
export class Snapshots {
  readonly #applications: ReadonlySet<WatchedApplication>
  readonly #shared: SharedSnapshots
  #mostInFlight = 0
  #looks = 0

  constructor (applications: ReadonlySet<WatchedApplication>, shared: SharedSnapshots) {
    this.#applications = applications
    this.#shared = shared
  }

  /** Takes a look at the requests in flight, which the watchdog reads when it needs it. */
  look (): void {
    const snapshots = [...this.#applications].map((one) => one.crowded() ? unseen : snapshotOf(one))
    this.#mostInFlight = Math.max(0, ...snapshots.map(({ inFlight = 0 }) => inFlight))
    this.#shared.write(snapshots)
  }

  /** Looks with each heartbeat, and only with each fifth where many requests are in flight: to list them takes time. */
  glance (): void {
    const due = ++this.#looks % manyEvery === 0
    if (due || this.#mostInFlight <= manyRequests) this.look()
  }

  /** All that is told in messages. */
  states (): WatchedState[] {
    return [...this.#applications].map((application) => stateOf(application, unseen))
  }

  /** All that is known now, as JSON: what the watchdog evaluates on a main thread that it has paused. */
  snapshot (): string {
    return JSON.stringify([...this.#applications].map((application) => stateOf(application, snapshotOf(application))))
  }
}

function snapshotOf (application: WatchedApplication): Snapshot {
  const requests = application.requests(mostRequests)
  // Where there are none the time is no news: a service that rests tells nothing.
  return { requests, seenAt: requests.length > 0 ? monotonic() : undefined, inFlight: application.inFlight() }
}

function stateOf (application: WatchedApplication, snapshot: Snapshot): WatchedState {
  return { ...application.state(), ...snapshot, measured: application.metrics !== undefined }
}

/** How often what has only grown older is told all the same: each so many times that it is asked. */
const retoldEvery = 10

/** The verdicts of all applications, told where something has turned. */
export class VerdictUpdates {
  readonly #applications: ReadonlySet<WatchedApplication>
  #told = ''
  #asked = 0
  #asking = false

  constructor (applications: ReadonlySet<WatchedApplication>) {
    this.#applications = applications
  }

  /** Whoever was told is gone. */
  forget (): void {
    this.#told = ''
  }

  /**
   * Undefined where there is nothing to tell, or an earlier question has no answer yet: a check may
   * be slow. It rejects where a check cannot be asked.
   */
  async ask (): Promise<Verdicts[] | undefined> {
    if (this.#asking) return undefined
    this.#asking = true
    try {
      const verdicts = await Promise.all([...this.#applications].map((application) => application.verdicts()))
      const text = JSON.stringify(verdicts.map(lasting))
      if (text === this.#told && ++this.#asked % retoldEvery !== 0) return undefined
      this.#told = text
      return verdicts
    } finally {
      this.#asking = false
    }
  }
}

/** What of an application's verdicts counts as a turn: not how long ago it was, and how long it took. */
function lasting ({ readiness, liveness, startup }: Verdicts): unknown[] {
  return [readiness, liveness, startup].map(({ checks, warnings }) =>
    [warnings, checks.map(({ name, ok, critical, excluded, output }) => [name, ok, critical, excluded, output])])
}

/** Questions of the kind "have you heard all that I said?", and who waits for their answers. */
export class Handshakes {
  readonly #waiting = new Map<number, (heard: boolean) => void>()
  #last = 0

  /** The newest question: its answer is that of all before it. */
  get last (): number { return this.#last }

  /** Settles with whether it was heard within `timeout` milliseconds. The timer keeps the process: a boot waits. */
  async send (say: (id: number) => void, timeout: number): Promise<boolean> {
    const id = ++this.#last
    let timer: Timer | undefined
    try {
      return await new Promise((resolve) => {
        this.#waiting.set(id, resolve)
        timer = setTimeout(() => resolve(false), timeout)
        say(id)
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** This one was heard, and so were those before it. */
  heard (upTo: number): void {
    for (const [id, settle] of this.#waiting) if (id <= upTo) settle(true)
  }

  /** Nobody is there who could hear: nobody waits any longer. */
  giveUp (): void {
    this.heard(this.#last)
  }
}

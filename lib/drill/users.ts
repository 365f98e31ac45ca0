import { Agent } from 'node:http'
import { exchange } from './exchange.ts'
import type { Outcome, Sending } from './exchange.ts'
import type { RequestProfile } from './profiles.ts'

type Group = RequestProfile | string

interface User {
  readonly agent: Agent
  readonly group: Group
  /** When its last answer was complete. */
  freeSince: number
  /** When it has finished thinking. */
  readyAt: number
}

/** A request for which nobody is free. */
interface Waiting {
  profile: RequestProfile
  dueAt: number
}

/** What the users of a load have in common. */
export interface UsersOptions extends Pick<Sending, 'host' | 'port' | 'timeout'> {
  /** Milliseconds after which a user hangs up a connection that nothing was sent on. */
  idle: number
  /** Connections at a time. */
  connections: number
  /** A request is over: sent at this time since 1970, and it took so long since it was due; both in milliseconds. */
  onOutcome: (profile: RequestProfile, outcome: Outcome, sentAt: number, took: number) => void
  /** One more request follows back to back; `false` where the load has ended. */
  onBurst: () => boolean
}

/** What came of a request that was never sent. */
export function unsent (detail: string): Outcome {
  return { cause: 'not-sent', detail, isReused: false, path: '', localPort: undefined }
}

/**
 * All who send requests. A user has one connection and one request at a time, obeys `Connection: close`, and is a
 * user of one group of profiles. There are as many as it takes, up to the bound; beyond it requests wait.
 */
export class Users {
  /** Connections that were opened. */
  connections = 0
  /** Requests that wait for their answer. */
  underWay = 0
  readonly #options: UsersOptions
  readonly #free = new Map<Group, User[]>()
  readonly #waiting: Waiting[] = []
  /** Those who are busy, and those who are free. */
  #count = 0

  constructor (options: UsersOptions) {
    this.#options = options
  }

  /** Requests that wait for a connection. */
  get waiting (): number { return this.#waiting.length }

  /**
   * One arrival: a user who has nothing to do sends a request, and a new one where there is none.
   * @param dueAt when it was due, as `performance.now()` says it
   */
  arrive (profile: RequestProfile, dueAt: number): void {
    this.#waiting.push({ profile, dueAt })
    this.#sendWaiting()
  }

  /** Those with nothing to do for so many milliseconds hang up, and what has waited too long is given up. */
  sweep (oldest: number = this.#options.idle): void {
    const now = Date.now()
    for (const [group, users] of this.#free) {
      this.#free.set(group, users.filter((user) => {
        if (now - user.freeSince < oldest) return true
        this.#hangUp(user)
        return false
      }))
    }
    const { timeout, connections, onOutcome } = this.#options
    while (this.#waiting[0] !== undefined && performance.now() - this.#waiting[0].dueAt > timeout) {
      const { profile, dueAt } = this.#waiting.shift()!
      const outcome = unsent(`none of ${connections} connections was free for ${timeout} ms`)
      onOutcome(profile, outcome, now, performance.now() - dueAt)
    }
  }

  #sendWaiting (): void {
    while (this.#waiting[0] !== undefined) {
      const { profile, dueAt } = this.#waiting[0]
      const user = this.#take(profile)
      if (user === undefined) return
      this.#waiting.shift()
      void this.#send(user, profile, Math.floor(Math.random() * (profile.burst ?? 1)), dueAt)
    }
  }

  #take (profile: RequestProfile): User | undefined {
    const now = Date.now()
    const group = profile.group ?? profile
    const users = this.#free.get(group) ?? []
    const isFit = (user: User): boolean => user.readyAt <= now && now - user.freeSince < this.#options.idle
    // Who thinks comes back in the order of leaving; everybody else at once, so the newest first.
    const index = profile.think === undefined ? users.findLastIndex(isFit) : users.findIndex(isFit)
    if (index !== -1) return users.splice(index, 1)[0]
    if (this.#count >= this.#options.connections) {
      // Whoever thinks is interrupted: nobody else is left.
      const thinking = users.findIndex((user) => now - user.freeSince < this.#options.idle)
      if (thinking !== -1) return users.splice(thinking, 1)[0]
      this.#hangUpOldest()
    }
    return this.#count < this.#options.connections ? this.#create(profile, group) : undefined
  }

  #create ({ keepAlive }: RequestProfile, group: Group): User {
    this.#count++
    const agent = new Agent({ keepAlive: keepAlive !== false || Math.random() < 0.5, maxSockets: 1 })
    return { agent, group, freeSince: 0, readyAt: 0 }
  }

  /** One that is free makes room for somebody else. */
  #hangUpOldest (): void {
    const oldest = [...this.#free.values()].flatMap((users) => users[0] ?? [])
      .toSorted((a, b) => a.freeSince - b.freeSince)[0]
    if (oldest === undefined) return
    this.#free.get(oldest.group)!.shift()
    this.#hangUp(oldest)
  }

  #hangUp (user: User): void {
    user.agent.destroy()
    this.#count--
  }

  async #send (user: User, profile: RequestProfile, more: number, begun: number): Promise<void> {
    const { host, port, timeout, onOutcome, onBurst } = this.#options
    const sentAt = Date.now()
    this.underWay++
    const onConnection = (): void => { this.connections++ }
    const outcome = await exchange(profile, { host, port, timeout, agent: user.agent, onConnection })
    this.underWay--
    onOutcome(profile, outcome, sentAt, performance.now() - begun)
    if (outcome.cause !== undefined || profile.keepAlive === false) this.#hangUp(user)
    else if (more > 0 && onBurst()) return await this.#send(user, profile, more - 1, performance.now())
    else this.#release(user, profile)
    this.#sendWaiting()
  }

  #release (user: User, profile: RequestProfile): void {
    user.freeSince = Date.now()
    user.readyAt = user.freeSince + Math.random() * (profile.think ?? 0)
    const users = this.#free.get(user.group)
    if (users === undefined) this.#free.set(user.group, [user])
    else users.push(user)
  }
}

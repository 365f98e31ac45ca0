import { Agent } from 'node:http'
import { exchange } from './exchange.ts'
import type { Outcome, Sending } from './exchange.ts'
import type { RequestProfile } from './profiles.ts'

interface User {
  readonly agent: Agent
  /** When its last answer was complete. */
  freeSince: number
  /** When it has finished thinking. */
  readyAt: number
}

/** What the users of a load have in common. */
export interface UsersOptions extends Pick<Sending, 'host' | 'port' | 'timeout'> {
  /** Milliseconds after which a user hangs up a connection that nothing was sent on. */
  idle: number
  /** A request is over, which was sent at this time since 1970 and took so long; both in milliseconds. */
  onOutcome: (profile: RequestProfile, outcome: Outcome, sentAt: number, took: number) => void
  /** One more request follows back to back; `false` where the load has ended. */
  onBurst: () => boolean
}

/**
 * All who send requests. A user has one connection and one request at a time, obeys `Connection: close`, and is a
 * user of one profile. There are as many as it takes.
 */
export class Users {
  /** Connections that were opened. */
  connections = 0
  /** Requests that wait for their answer. */
  underWay = 0
  readonly #options: UsersOptions
  readonly #free = new Map<RequestProfile, User[]>()

  constructor (options: UsersOptions) {
    this.#options = options
  }

  /** One arrival: a user who has nothing to do sends a request, and a new one where there is none. */
  arrive (profile: RequestProfile): void {
    const user = this.#take(profile) ?? {
      agent: new Agent({ keepAlive: profile.keepAlive !== false || Math.random() < 0.5, maxSockets: 1 }),
      freeSince: 0,
      readyAt: 0
    }
    void this.#send(user, profile, Math.floor(Math.random() * (profile.burst ?? 1)))
  }

  /** Those with nothing to do for so many milliseconds hang up. */
  sweep (oldest: number = this.#options.idle): void {
    const now = Date.now()
    for (const [profile, users] of this.#free) {
      this.#free.set(profile, users.filter((user) => {
        if (now - user.freeSince < oldest) return true
        user.agent.destroy()
        return false
      }))
    }
  }

  #take (profile: RequestProfile): User | undefined {
    const now = Date.now()
    const users = this.#free.get(profile) ?? []
    const isFit = (user: User): boolean => user.readyAt <= now && now - user.freeSince < this.#options.idle
    // Who thinks comes back in the order of leaving; everybody else at once, so the newest first.
    const index = profile.think === undefined ? users.findLastIndex(isFit) : users.findIndex(isFit)
    return index === -1 ? undefined : users.splice(index, 1)[0]
  }

  async #send (user: User, profile: RequestProfile, more: number): Promise<void> {
    const { host, port, timeout, onOutcome, onBurst } = this.#options
    const [sentAt, begun] = [Date.now(), performance.now()]
    this.underWay++
    const onConnection = (): void => { this.connections++ }
    const outcome = await exchange(profile, { host, port, timeout, agent: user.agent, onConnection })
    this.underWay--
    onOutcome(profile, outcome, sentAt, performance.now() - begun)
    if (outcome.cause !== undefined || profile.keepAlive === false) user.agent.destroy()
    else if (more > 0 && onBurst()) await this.#send(user, profile, more - 1)
    else this.#release(user, profile)
  }

  #release (user: User, profile: RequestProfile): void {
    user.freeSince = Date.now()
    user.readyAt = user.freeSince + Math.random() * (profile.think ?? 0)
    const users = this.#free.get(profile)
    if (users === undefined) this.#free.set(profile, [user])
    else users.push(user)
  }
}

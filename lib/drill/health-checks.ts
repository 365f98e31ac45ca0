import { startBalancer } from './balancer.ts'
import type { Endpoint, Front, FrontPreset, HealthCheckPlan, Notice, Trace } from './fronts.ts'
import { startPool } from './pool.ts'
import { saysReady } from './processes.ts'
import type { probe } from './processes.ts'

/** How replicas are asked. */
interface Checking {
  plan: HealthCheckPlan
  path: string
  /** Whether one without this route counts as ready when it answers at all. */
  isOptional: boolean
  ask: typeof probe
}

/** One replica, asked again and again until it is forgotten. */
class Watch {
  readonly #endpoint: Endpoint
  readonly #checking: Checking
  readonly #changed: (isReady: boolean) => void
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #isReady = true
  /** Answers in a row that say the other thing. */
  #contrary = 0

  constructor (endpoint: Endpoint, checking: Checking, changed: (isReady: boolean) => void) {
    this.#endpoint = endpoint
    this.#checking = checking
    this.#changed = changed
    // Its first question comes at any time of the interval.
    this.#timer = setTimeout(() => void this.#ask(), Math.random() * checking.plan.interval)
  }

  stop (): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #ask (): Promise<void> {
    const { plan: { interval, timeout, failures, successes, userAgent }, path, isOptional, ask } = this.#checking
    const asked = performance.now()
    const status = await ask(this.#endpoint, path, { userAgent, timeout })
    if (this.#isStopped) return
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, interval - (performance.now() - asked)))
    this.#contrary = saysReady(status, isOptional) === this.#isReady ? 0 : this.#contrary + 1
    if (this.#contrary < (this.#isReady ? failures : successes)) return
    this.#isReady = !this.#isReady
    this.#contrary = 0
    this.#changed(this.#isReady)
  }
}

/** A front that asks its replicas for readiness, and goes by what they say. */
class CheckingFront implements Front {
  readonly #front: Front
  readonly #checking: Checking
  readonly #notice: Notice
  readonly #watches = new Map<Endpoint, Watch>()

  constructor (front: Front, checking: Checking, notice: Notice) {
    this.#front = front
    this.#checking = checking
    this.#notice = notice
  }

  get host (): string { return this.#front.host }

  get port (): number { return this.#front.port }

  async add (endpoint: Endpoint): Promise<void> {
    await this.#front.add(endpoint)
    this.#watches.get(endpoint)?.stop()
    this.#watches.set(endpoint, new Watch(endpoint, this.#checking, (isReady) => this.#turn(endpoint, isReady)))
  }

  remove (endpoint: Endpoint): void | Promise<void> {
    this.#watches.get(endpoint)?.stop()
    this.#watches.delete(endpoint)
    return this.#front.remove(endpoint)
  }

  has (endpoint: Endpoint): boolean { return this.#front.has(endpoint) }

  connections (endpoint: Endpoint): number { return this.#front.connections?.(endpoint) ?? 0 }

  trace (localPort: number, at: number): Trace | undefined { return this.#front.trace(localPort, at) }

  close (): void | Promise<void> {
    for (const watch of this.#watches.values()) watch.stop()
    return this.#front.close()
  }

  #turn (endpoint: Endpoint, isReady: boolean): void {
    if (this.#checking.plan.isLocal === true) return this.#front.refuse?.(endpoint, !isReady)
    void (isReady ? this.#front.add(endpoint) : this.#front.remove(endpoint))
    this.#notice(endpoint, isReady)
  }
}

/** Starts a front with nobody in rotation. @param notice hears of what it finds out by itself */
export async function startFront (
  { pool, checks, isPassive = false }: FrontPreset, asking: Omit<Checking, 'plan'>, notice: Notice
): Promise<Front> {
  const front: Front = pool === undefined
    ? await startBalancer((endpoint) => {
        if (!isPassive || !front.has(endpoint)) return
        void front.remove(endpoint)
        notice(endpoint, false)
      })
    : await startPool(pool)
  return checks === undefined ? front : new CheckingFront(front, { ...asking, plan: checks }, notice)
}

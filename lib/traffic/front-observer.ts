import type { FastifyReply, FastifyRequest } from 'fastify'
import type { TrafficSummary, ProbeSummary } from '../lifecycle/report.ts'
import { quietFaults } from '../util/faults.ts'
import type { Faults } from '../util/faults.ts'
import { identityOf } from './callers.ts'
import type { CallerIdentity } from './callers.ts'
import { FrontEnds } from './front-ends.ts'
import { proberOf } from './probers.ts'
import { sessionOf } from './tags.ts'

/** How it is found out who is in front. */
export interface FrontSettings {
  /** Somebody is in front, whoever asks health routes: the platform or an option says so. */
  isKnown: boolean
  /** Failing answers that each prober has to be served; 0: phase 1 waits for none. */
  failures: number
  /** Processes that share the listener. */
  sharedBy: number
}

/** Equal answers of a probe that somebody else has given. Times say how many milliseconds ago. */
export interface AnswersElsewhere {
  prober: string
  probe: string
  /** Undefined where too many have asked to tell them apart. */
  caller: CallerIdentity | undefined
  ok: boolean
  count: number
  first: number
  last: number
}

/** Milliseconds within which somebody else who answers for readiness has heard that it fails. */
const heardWithin = 1000

const somebody: FrontSettings = { isKnown: true, failures: 0, sharedBy: 1 }

/** Sees who asks for readiness, and what they are told. */
export class FrontObserver {
  readonly #now: () => number
  readonly #settings: FrontSettings
  readonly #frontEnds: FrontEnds
  readonly #probes: ProbeWitness
  readonly #faults: Faults
  /** Connections and sessions that have brought a question. */
  readonly #askedOn = new WeakSet<object>()
  #announced = false
  #goodBefore = 0

  /** @param settings by default nobody is looked for, and somebody is taken to be there */
  constructor (now: () => number, settings: FrontSettings = somebody, faults: Faults = quietFaults) {
    this.#now = now
    this.#faults = faults
    this.#settings = settings
    this.#frontEnds = new FrontEnds({ now, ...settings })
    this.#probes = new ProbeWitness(now)
  }

  /** Whether anybody is in front whose new connections would be refused. */
  get isPresent (): boolean {
    return this.#settings.isKnown || this.#frontEnds.found
  }

  /** Whether a front end was seen when phase 1 began. */
  get found (): boolean {
    return this.#frontEnds.found
  }

  /** Whether a front end asks from this address that phase 1 waits for, or has waited for. */
  goesByReadiness (address: string | undefined): boolean {
    return this.#frontEnds.isWaitedFor(address)
  }

  /** The listener is open. */
  open (): void {
    this.#frontEnds.open()
  }

  /** Phase 1 has begun; health routes begin to fail `toldAfter` milliseconds later. */
  announce (toldAfter: number): void {
    this.#announced = true
    this.#goodBefore = this.#now() + toldAfter + heardWithin
    this.#probes.announce()
    this.#frontEnds.announce(toldAfter)
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#announced = false
    this.#probes.undo()
    this.#frontEnds.undo()
  }

  /** A readiness route answers: whoever asked has seen it when the answer is out. */
  probed (request: FastifyRequest, reply: FastifyReply, isReady: boolean): void {
    this.asked(request, reply, () => isReady)
    if (isReady) return
    const prober = proberOf(request.headers['user-agent']) ?? 'other'
    reply.raw.once('finish', this.#faults.guard('the answer to a probe', () => this.#probes.told(prober)))
  }

  /** A route that a front end goes by is asked; `isReady` is called when the answer is out. */
  asked (request: FastifyRequest, { raw: reply }: FastifyReply, isReady: () => boolean): void {
    const { raw, headers, socket } = request
    const holder = sessionOf(raw) ?? socket
    const isReused = this.#askedOn.has(holder)
    if (!isReused) this.#askedOn.add(holder)
    const host = headers.host ?? headers[':authority'] as string | undefined
    const identity = identityOf(request.url, raw.method ?? '', headers['user-agent'], host, socket.remoteAddress)
    const caller = this.#frontEnds.asked(identity, isReused)
    if (caller === undefined || !this.#announced) return
    const answered = (): void => this.#frontEnds.answered(caller, !isReady())
    reply.once('finish', this.#faults.guard('the answer to a probe', answered))
  }

  /** A probe was answered on a port that somebody else listens on, for readiness or something else. */
  answeredElsewhere ({ prober, probe, caller: identity, ok, count, ...since }: AnswersElsewhere): void {
    if (probe !== 'readyz') return
    const now = this.#now()
    const [first, last] = [now - since.first, now - since.last]
    const caller = identity && this.#frontEnds.asked({ ...identity, isElsewhere: true }, false, first, last, count)
    // A good answer shortly after the announcement says nothing of the route: who gave it had not heard yet.
    const isKnown = !ok || first >= this.#goodBefore
    if (caller !== undefined && isKnown) this.#frontEnds.answered(caller, !ok, first, last, count)
    if (!ok) this.#probes.told(prober, count, first, last)
  }

  /** Why phase 1 has to go on for their sake; `quiet` is how many milliseconds they get to act on the last answer. */
  waiting (quiet: number): string | undefined {
    return this.#frontEnds.waiting(quiet)
  }

  summary (): Pick<TrafficSummary, 'probes' | 'frontEnds'> {
    return { probes: this.#probes.summary(), frontEnds: this.#frontEnds.summary() }
  }
}

/** Whether those who ask for health have seen that it fails: what was told to each of them after the announcement. */
export class ProbeWitness {
  readonly #now: () => number
  readonly #told = new Map<string, ProbeSummary>()
  #announcedAt: number | undefined

  constructor (now: () => number) {
    this.#now = now
  }

  /** Phase 1 has begun. */
  announce (): void {
    this.#announcedAt = this.#now()
    this.#told.clear()
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#announcedAt = undefined
    this.#told.clear()
  }

  /**
   * Answers that say "not ready" have gone out: by default one, just now.
   *
   * @param count how many, and when the first and the last of them did, by the same clock
   */
  told (prober: string, count: number = 1, firstAt: number = this.#now(), lastAt: number = firstAt): void {
    if (this.#announcedAt === undefined || lastAt < this.#announcedAt) return
    const last = Math.round(lastAt - this.#announcedAt)
    const { answers = 0, first = Math.max(0, Math.round(firstAt - this.#announcedAt)) } = this.#told.get(prober) ?? {}
    this.#told.set(prober, { prober, answers: answers + count, first, last })
  }

  summary (): ProbeSummary[] {
    return [...this.#told.values()]
  }
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import { setTimeout } from 'node:timers'
import { ProbeTally } from '../../watchdog/probe-tally.ts'
import type { ProbeAnswers } from '../../watchdog/protocol.ts'
import type { ProbeAnswer } from '../../health/answers.ts'
import { identityOf } from '../../traffic/callers.ts'
import type { CallerIdentity } from '../../traffic/callers.ts'
import { proberOf } from '../../traffic/probers.ts'
import type { Child } from './child.ts'
import { messageType } from '../protocol.ts'

/** Milliseconds in which answers are collected before the children are told. */
const collectFor = 50
/**
 * How long answers are kept for a child that has not begun to listen yet, in milliseconds: three of the longest
 * intervals that a front end may have.
 */
const keptFor = 30_000
/** How many lots of them are kept. */
const mostKept = 64

type Listener = Pick<Child, 'alive' | 'readyFor' | 'send'>

/**
 * Who asks for readiness on the supervisor's port goes by that answer, and phase 1 of every child has to last until
 * they were served enough failing ones. The children hear of each answer.
 */
export class ProbeNews {
  readonly #children: Iterable<Listener>
  readonly #now: () => number
  readonly #tally: ProbeTally
  #kept: ProbeAnswers[][] = []
  #isCollecting = false

  constructor (children: Iterable<Listener>, now: () => number = () => performance.now()) {
    this.#children = children
    this.#now = now
    this.#tally = new ProbeTally(now)
  }

  /** A probe is answered; it counts when the answer has gone out. */
  answered (answer: ProbeAnswer, request: FastifyRequest, reply: FastifyReply): void {
    if (answer.kind !== 'readiness') return
    const { url, raw: { method = '' }, headers: { host, 'user-agent': userAgent }, socket } = request
    const asker = { path: url, method, userAgent, host, address: socket.remoteAddress }
    reply.raw.once('finish', () => this.sent(answer, asker))
  }

  /** An answer has gone out. */
  sent ({ kind, probe, ok }: ProbeAnswer, { path, method, userAgent, host, address }: CallerIdentity): void {
    if (kind !== 'readiness') return
    const caller = identityOf(path, method, userAgent, host, address)
    this.#tally.add({ prober: proberOf(userAgent) ?? 'other', probe, ok, caller })
    if (!this.#isCollecting) setTimeout(() => this.#tell(), collectFor).unref()
    this.#isCollecting = true
  }

  /** A child listens: what was answered before is news to it. */
  join (child: Pick<Child, 'send'>): void {
    const since = this.#now() - keptFor
    for (const answers of this.#kept) if (answers.some(({ last }) => last > since)) this.#send(child, answers)
  }

  #tell (): void {
    this.#isCollecting = false
    const answers = this.#tally.take()
    this.#kept = [...this.#kept, answers].slice(-mostKept)
    for (const child of this.#children) if (child.alive && child.readyFor !== undefined) this.#send(child, answers)
  }

  #send (child: Pick<Child, 'send'>, answers: ProbeAnswers[]): void {
    const now = this.#now()
    const probed = answers.map((answer) => ({ ...answer, first: now - answer.first, last: now - answer.last }))
    child.send({ type: messageType, probed })
  }
}

import { clearTimeout, setTimeout } from 'node:timers'
import { Coalesced, PendingAnswers } from '../../util/promises.ts'
import type { Verdict } from '../../health/health.ts'
import type { CheckKind } from '../../health/options.ts'
import { agedApplications, publicStatusOf } from './watched-states.ts'
import { buildVerdict } from './verdict.ts'
import type { LoopState, Question } from './verdict.ts'
import { LiveStatus, mostShown } from './live-status.ts'
import { deadlineOf } from '../kill-deadline.ts'
import type { Unheard } from '../kill-deadline.ts'
import { ProbeTally } from '../probe-tally.ts'
import type { MetricsText, RefusedMetrics, ToMain, ToThread, Verdicts, WatchedState } from '../protocol.ts'
import { monotonic, silent } from '../heartbeat.ts'
import type { ServedMetrics, ServerPorts } from './routes.ts'
import { Scrape } from './scrape.ts'
import type { LiveValues } from './scrape.ts'

/**
 * How long the main thread may take for the whole status, in milliseconds: as long as for those who
 * watch. One that is merely busy answers within it.
 */
const statusTimeout = 200

/** How long a probe waits for checks with `ttl: 0`, in milliseconds: a slow one is told of with the next probe. */
const checkPatience = 10
/** How long their answer is waited for before they are asked once more, in milliseconds. */
const askAgain = 5000

/** Milliseconds between two renderings of the metrics at least: a text of 2 MiB takes some of the thread's time. */
const renderInterval = 100

/** Milliseconds between two reports of probes at least, whoever asks however often. */
const reportInterval = 100

/** What is known in the thread. */
export interface Sight {
  applications: () => readonly WatchedState[]
  verdicts: () => readonly Verdicts[]
  /** The main thread has answered. */
  learn: (verdicts: readonly Verdicts[]) => void
  loop: () => LoopState
  /** What has come that the main thread may not know of. */
  unheard: () => Unheard
  /** A preStop hook has called, which the main thread may not know of; undefined where it does. */
  setPrestop: (at: number | undefined) => void
  /** What holds the event loop. */
  blockedIn: () => string | undefined
  post: (message: ToMain) => void
}

function epochOf (shared: number | undefined): number | undefined {
  return shared === undefined ? undefined : Date.now() - monotonic() + shared
}

/** As bytes, which all who wait for them share. */
function served (metrics: MetricsText | RefusedMetrics | undefined): ServedMetrics | undefined {
  if (metrics === undefined || 'refused' in metrics) return metrics
  return { body: Buffer.from(metrics.text), type: metrics.type }
}

/** Answers what is asked on the watchdog's own port. */
export class Answers {
  readonly #sight: Sight
  readonly #questions = new PendingAnswers<unknown>()
  readonly #tally = new ProbeTally(monotonic)
  readonly #scrape: Scrape
  readonly #metrics: Coalesced<ServedMetrics | undefined>
  readonly #whole = new Coalesced(() => this.#status())
  readonly #liveStatus: LiveStatus
  /** What was asked for probes of a kind, and has no answer yet. */
  readonly #asked = new Map<CheckKind, Promise<void>>()
  #reportedAt = 0

  constructor (sight: Sight) {
    this.#sight = sight
    this.#scrape = new Scrape(monotonic, () => {
      // Told before it is asked, so that the counters are exact.
      this.report()
      sight.post({ type: 'metrics' })
    })
    const render = async (): Promise<ServedMetrics | undefined> => {
      return served(await this.#scrape.read(sight.loop().silence <= silent, () => this.#live()))
    }
    this.#metrics = new Coalesced(render, renderInterval)
    this.#liveStatus = new LiveStatus({
      publicStatus: () => publicStatusOf(sight.applications(), this.#ready()),
      eventLoop: () => ({ ...sight.loop(), blockedIn: sight.blockedIn() }),
      told: () => this.#told(),
      ask: (mostRequests, timeout) =>
        this.#questions.ask((id) => sight.post({ type: 'status', id, mostRequests }), timeout),
      counted: (viewers) => sight.post({ type: 'watched', viewers })
    })
  }

  /** What the server asks. */
  get ports (): ServerPorts {
    const { applications } = this.#sight
    return {
      verdict: (kind, question) => this.#verdict(kind, question),
      verdictNow: (kind) => this.#verdictNow(kind, { exclude: [], only: undefined }),
      probed: (answer) => this.#probed(answer),
      publicStatus: () => publicStatusOf(applications(), this.#ready()),
      status: () => this.#whole.ask(),
      metrics: () => this.#metrics.ask(),
      prestop: () => this.#announce(),
      viewers: this.#liveStatus.viewers
    }
  }

  /** Where checks are to be run for each probe, they are; a main thread that hangs is not asked. */
  async #verdict (kind: CheckKind, question: Question): Promise<Verdict> {
    const now = this.#verdictNow(kind, question)
    if (now !== undefined) return now
    let timer: NodeJS.Timeout | undefined
    const over = new Promise((resolve) => { timer = setTimeout(resolve, checkPatience) })
    await Promise.race([this.#runChecks(kind), over])
    clearTimeout(timer)
    return this.#known(kind, question)
  }

  /** What is answered at once; undefined where checks are to be run before. */
  #verdictNow (kind: CheckKind, question: Question): Verdict | undefined {
    const verdict = this.#known(kind, question)
    const isToRun = verdict.checks.some(({ perProbe, excluded }) => perProbe === true && !excluded)
    return this.#sight.loop().silence > silent || !isToRun ? verdict : undefined
  }

  #known (kind: CheckKind, question: Question): Verdict {
    const { applications, verdicts, loop } = this.#sight
    return buildVerdict(kind, { verdicts: verdicts(), applications: applications(), loop: loop() }, question)
  }

  /** One question at a time, whoever probes however often: checks do not run twice at the same time either. */
  #runChecks (kind: CheckKind): Promise<void> {
    const { post, learn } = this.#sight
    const underWay = this.#asked.get(kind)
    if (underWay !== undefined) return underWay
    const question = this.#questions.ask((id) => post({ type: 'verdicts', id, kind }), askAgain)
    const asked = question.then((answer) => {
      this.#asked.delete(kind)
      if (Array.isArray(answer)) learn(answer as Verdicts[])
    })
    this.#asked.set(kind, asked)
    return asked
  }

  receive (message: ToThread & { type: 'answer' | 'metrics' }): void {
    if (message.type === 'metrics') this.#scrape.receive(message.metrics)
    else this.#questions.answer(message.id, message.value)
  }

  /** The end is over: whoever watches is told. */
  farewell (status: object): void {
    this.#liveStatus.finish(status)
  }

  /** An application has booted: what it measures is known from the start, whatever happens then. */
  started (): void {
    if (this.#sight.applications().some(({ measured }) => measured)) this.#scrape.refresh()
  }

  /** The event loop turns: the main thread is told what it does not know, and knows what it was told. */
  turned (beat: number): void {
    this.report()
    const { prestop } = this.#sight.unheard()
    if (prestop !== undefined && beat > prestop + 2 * silent) this.#sight.setPrestop(undefined)
  }

  /** Tells the main thread of the probes that were answered. */
  report (): void {
    const answers = this.#tally.take()
    if (answers.length > 0) this.#sight.post({ type: 'probed', answers })
  }

  /** Told soon while the main thread turns: phase 1 lasts until front ends have been told. */
  #probed (answer: Parameters<ServerPorts['probed']>[0]): void {
    this.#tally.add(answer)
    const now = monotonic()
    if (this.#sight.loop().silence > silent || now - this.#reportedAt < reportInterval) return
    this.#reportedAt = now
    this.report()
  }

  #ready (): boolean {
    const { applications, loop } = this.#sight
    return !loop().blocked && applications().length > 0 && applications().every(({ ready }) => ready)
  }

  #live (): LiveValues {
    const { applications, loop, unheard } = this.#sight
    const { silence, blocked } = loop()
    const application = applications().find(({ measured }) => measured)
    return {
      silence,
      blocked,
      phase: application?.phase ?? 'running',
      ready: application?.ready === true && !blocked,
      requests: application?.inFlight,
      deadline: application && epochOf(deadlineOf(application, unheard()))
    }
  }

  /** What is known of the application that is shown, as its status would say it. */
  #told (): object {
    const { applications, unheard } = this.#sight
    const [application] = agedApplications(applications().slice(0, 1), monotonic())
    if (application === undefined) return {}
    const { inFlight, requests, stalls, started } = application
    const deadline = epochOf(deadlineOf(application, unheard()))
    return { started, inFlight, requests, participants: stalls, deadline: deadline && Math.round(deadline) }
  }

  async #status (): Promise<object> {
    const { applications, loop, blockedIn, post } = this.#sight
    const { silence, blocked } = loop()
    const known = {
      ...publicStatusOf(applications(), this.#ready()),
      applications: agedApplications(applications(), monotonic()),
      eventLoop: { silence: Math.round(silence), blocked, blockedIn: blockedIn() }
    }
    if (silence > silent) return known
    const answer = await this.#questions.ask(
      (id) => post({ type: 'status', id, mostRequests: mostShown }),
      statusTimeout
    )
    return typeof answer === 'object' && answer !== null ? answer : known
  }

  /**
   * The countdown starts with the call, whatever the main thread does; it is over with the main
   * thread's, or when phase 1 could not last longer.
   */
  async #announce (): Promise<void> {
    const { applications, post, unheard, setPrestop } = this.#sight
    const at = unheard().prestop ?? monotonic()
    setPrestop(at)
    const longest = Math.max(0, ...applications().map(({ announceMax }) => announceMax))
    await this.#questions.ask((id) => post({ type: 'prestop', id, at }), at + longest - monotonic())
  }
}

import type { CheckKind } from '../../health/options.ts'
import type { MetricsText, ProbeAnswers, RefusedMetrics, ToMain, ToThread } from '../protocol.ts'
import { monotonic } from '../heartbeat.ts'
import type { WatchedApplication } from './types.ts'

/** The largest text of metrics the thread is given, in bytes: it has 48 MB of heap, and edits the text as a whole. */
export const largestMetrics: number = 2 * 1024 * 1024

/** What the thread asks of the applications. */
export type ThreadRequest = ToMain & { type: 'status' | 'metrics' | 'probed' | 'prestop' | 'verdicts' }

/** Answers on the main thread what the thread asks of the applications. */
export class ThreadRequests {
  readonly #applications: ReadonlySet<WatchedApplication>
  readonly #post: (message: ToThread) => void
  #hasWarned = false

  constructor (applications: ReadonlySet<WatchedApplication>, post: (message: ToThread) => void) {
    this.#applications = applications
    this.#post = post
  }

  run (request: ThreadRequest): void {
    switch (request.type) {
      case 'status':
        this.#post({
          type: 'answer',
          id: request.id,
          value: this.#status(request.mostRequests)
        })
        return
      case 'metrics':
        this.#metrics().catch(() => this.#post({ type: 'metrics', metrics: undefined }))
        return
      case 'verdicts':
        // What throws is told with the next heartbeat, as before.
        this.#verdicts(request.id, request.kind).catch(() => {})
        return
      case 'probed': return this.#probed(request.answers)
      case 'prestop': this.#prestop(request.id, request.at).catch(() => {})
    }
  }

  /** Of the first application, as it can be posted. */
  #status (mostRequests: number): object {
    return JSON.parse(JSON.stringify(this.#applications.values().next().value?.status(mostRequests) ?? {}))
  }

  /** A registry belongs to one application: where several have one, it is that of the first. */
  async #metrics (): Promise<void> {
    const application = [...this.#applications].find(({ metrics }) => metrics !== undefined)
    const metrics = await application?.metrics?.()
    this.#post({ type: 'metrics', metrics: metrics && this.#bounded(metrics, application!.log) })
  }

  #bounded (metrics: MetricsText, log: WatchedApplication['log']): MetricsText | RefusedMetrics {
    const size = Buffer.byteLength(metrics.text)
    if (size <= largestMetrics) return metrics
    const refused = `the metrics take ${size} bytes, and the watchdog's port serves ${largestMetrics} at most: `
      + "scrape the application's own port"
    if (!this.#hasWarned) log.warn({ event: 'graceful.watchdog' }, refused)
    this.#hasWarned = true
    return { refused }
  }

  async #verdicts (id: number, kind: CheckKind): Promise<void> {
    const verdicts = await Promise.all([...this.#applications].map((application) => application.verdicts(kind)))
    this.#post({ type: 'answer', id, value: verdicts })
  }

  #probed (answers: ProbeAnswers[]): void {
    const now = monotonic()
    const ago = answers.map((answer) => ({ ...answer, first: now - answer.first, last: now - answer.last }))
    for (const application of this.#applications) application.probed(ago)
  }

  async #prestop (id: number, at: number): Promise<void> {
    const ago = monotonic() - at
    await Promise.all([...this.#applications].map((application) => application.prestop(ago)))
    this.#post({ type: 'answer', id, value: true })
  }
}

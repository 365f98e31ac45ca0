import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../../errors.ts'
import { LogReader } from '../../report/reader.ts'
import { summarize } from '../../report/summary.ts'
import type { Input, Summary } from '../../report/summary.ts'
import { Tally } from '../../report/tally.ts'
import type { List, Pod } from './api.ts'
import { KubectlError } from './kubectl.ts'
import type { Kubectl, Stream } from './kubectl.ts'
import { Pods, watchEventOf } from './pods.ts'
import type { Target } from './target.ts'

/** Milliseconds for the last lines of a log after its pod has gone, and for a pod beyond its grace period. */
const [patienceForLog, patienceForPod] = [5000, 30_000]
/** Milliseconds until a watch that has ended is begun again. */
const again = 1000
/** Milliseconds by which the clock of a node may be behind this one. */
const skew = 120_000
/** Pods whose logs are followed at a time. */
const mostLogs = 200

/** The updates of a deployment, and all that its pods tell meanwhile. */
export class Updates {
  readonly pods: Pods
  readonly #kubectl: Kubectl
  readonly #target: Target
  readonly #tally = new Tally()
  readonly #input: Input = { files: ['the pods'], lines: 0, others: 0, tooLong: 0, broken: 0 }
  readonly #begunAt = Date.now()
  readonly #streams = new Set<Stream>()
  #isClosed = false

  constructor (kubectl: Kubectl, target: Target, tell: (name: string, what: string) => void) {
    this.#kubectl = kubectl
    this.#target = target
    this.pods = new Pods(target.container.name, tell)
  }

  /** Begins to watch the pods. @returns one of them @throws KubectlError where there is none */
  async watch (signal: AbortSignal): Promise<Pod> {
    const items = await this.#list(signal)
    const sample = items.find(({ metadata }) => metadata.deletionTimestamp === undefined)
    if (sample === undefined) throw new KubectlError('the deployment has no pod')
    if (items.length > mostLogs) throw new KubectlError(`the deployment has ${items.length} pods, at most ${mostLogs}`)
    for (const object of items) this.pods.read({ type: 'ADDED', object })
    this.#follow(signal)
    return sample
  }

  /** One `rollout restart`, until the last of the old pods has gone. @throws KubectlError where it takes too long */
  async restart (within: number, signal: AbortSignal): Promise<void> {
    const { deployment, grace, selector, container } = this.#target
    const name = `deployment/${deployment}`
    const old = this.pods.all.filter((pod) => !pod.isGone)
    const reader = new LogReader('the pods', this.#input, (record) => {
      this.#tally.add(record)
      this.pods.hear(record)
    })
    const log = this.#stream([
      'logs', '-f', '-l', selector, '-c', container.name, '--prefix', '--ignore-errors', '--tail=-1',
      `--since-time=${new Date(this.#begunAt - skew).toISOString()}`, `--max-log-requests=${mostLogs + 100}`
    ], (line) => reader.line(line))
    await this.#kubectl.run(['rollout', 'restart', name], { signal })
    const seconds = Math.ceil(within / 1000)
    try {
      const status = ['rollout', 'status', name, `--timeout=${seconds}s`]
      await this.#kubectl.run(status, { within: within + patienceForLog, signal })
    } catch (error) {
      signal.throwIfAborted()
      throw new KubectlError([
        `the update did not end: ${messageOf(error)}`, ...await this.#stuck(signal),
        `It goes on in the cluster: ${this.#kubectl.typed(['rollout', 'undo', name])} takes it back.`
      ].join('\n'), '')
    }
    const haveGone = (): boolean => old.every((pod) => pod.isGone)
    await this.pods.until(haveGone, grace + patienceForPod, signal)
    signal.throwIfAborted()
    await Promise.race([log.ended, sleep(patienceForLog, undefined, { signal, ref: false })])
    reader.end()
    if (!haveGone()) throw new KubectlError(`pods are still there after their grace period: ${names(old)}`)
  }

  /** What all logs together tell. */
  summary (): Summary {
    this.#tally.end()
    return summarize(this.#tally, this.#input)
  }

  close (): void {
    this.#isClosed = true
    for (const stream of this.#streams) stream.stop()
  }

  async #list (signal: AbortSignal): Promise<Pod[]> {
    const text = await this.#kubectl.run(['get', 'pods', '-l', this.#target.selector, '-o', 'json'], { signal })
    return (JSON.parse(text) as List<Pod>).items
  }

  /** Servers end a watch after a while: it is begun again, and who has gone in between is found out. */
  #follow (signal: AbortSignal): void {
    const watch = ['get', 'pods', '-l', this.#target.selector, '-o', 'json', '--watch', '--output-watch-events']
    void this.#stream(watch, (line) => {
      const event = watchEventOf(line)
      if (event !== undefined) this.pods.read(event)
    }).ended.then(async () => {
      await sleep(again)
      if (this.#isClosed) return
      this.#follow(signal)
      const items = await this.#list(signal)
      this.pods.keep(new Set(items.map(({ metadata: { uid, name } }) => uid ?? name)))
    }).catch(() => {})
  }

  /** What pods wait for that are not ready. */
  async #stuck (signal: AbortSignal): Promise<string[]> {
    const items = await this.#list(signal).catch(() => [])
    return items.flatMap(({ metadata, status }) => (status?.containerStatuses ?? [])
      .flatMap(({ state }) => state?.waiting ?? [])
      .map(({ reason = '', message = '' }) => `pod ${metadata.name}: ${reason}${message === '' ? '' : `, ${message}`}`))
  }

  #stream (args: readonly string[], line: (text: string) => void): Stream {
    const stream = this.#kubectl.stream(args, line)
    this.#streams.add(stream)
    void stream.ended.then(() => this.#streams.delete(stream))
    return stream
  }
}

const names = (pods: Pods['all']): string => pods.filter((pod) => !pod.isGone).map(({ name }) => name).join(', ')

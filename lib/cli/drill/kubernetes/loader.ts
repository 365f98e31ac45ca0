import { setTimeout as sleep } from 'node:timers/promises'
import type { RunRecord } from '../../../drill/index.ts'
import { messageOf } from '../../../errors.ts'
import type { ContainerStatus, EventList, List, Pod } from './api.ts'
import { drillLabel, nameOf } from './job.ts'
import { KubectlError } from './kubectl.ts'
import type { Kubectl, Stream } from './kubectl.ts'
import { Parcel } from './parcel.ts'
import type { Message } from './parcel.ts'

/** Milliseconds from look to look at the pod of the Job. */
const lookEvery = 500
/** Milliseconds until node has started, and then tells by itself what keeps the load from beginning. */
const patienceForNode = 30_000
/** States of a container that do not pass by themselves. */
const hopeless = /^(?:ErrImage|ImagePull|InvalidImage|ErrImageNeverPull|CreateContainer|RunContainer|ImageInspect)/
/** Lines of a load that failed that are told. */
const mostLines = 8

/** The Job that puts load on the Service, from its making to its end. */
export class Loader {
  readonly #kubectl: Kubectl
  readonly #mark: string
  readonly #parcel: Parcel
  readonly #lines: string[] = []
  #stream: Stream | undefined
  #isMade = false
  #isLoaded = false
  #failure: string | undefined
  requests = 0
  lost = 0
  /** Rejects when the load ends before it was told to. */
  readonly failed: Promise<never>
  #fail: (error: Error) => void = () => {}
  #isEnding = false

  constructor (kubectl: Kubectl, mark: string) {
    this.#kubectl = kubectl
    this.#mark = mark
    this.#parcel = new Parcel(mark)
    this.failed = new Promise((_resolve, reject) => { this.#fail = reject })
    this.failed.catch(() => {})
  }

  /** What removes it, as it is typed; undefined where there is nothing to remove. */
  get remover (): string | undefined {
    return this.#isMade ? this.#kubectl.typed(this.#removal) : undefined
  }

  /** Makes the Job, and resolves when its load has begun. @throws KubectlError where it does not within that time */
  async start (job: object, within: number, signal: AbortSignal): Promise<void> {
    this.#isMade = true
    // It is not interrupted: whether the cluster has heard of it would not be known then.
    await this.#kubectl.run(['create', '-f', '-'], { input: JSON.stringify(job) })
    const latest = performance.now() + within
    let pod: Pod | undefined
    while (this.#stream === undefined) {
      signal.throwIfAborted()
      pod = await this.#look(signal)
      if (pod !== undefined && hasBegun(pod)) this.#follow(pod.metadata.name)
      else if (performance.now() > latest) {
        const why = stateOf(pod) ?? await this.#reason(signal)
        throw new KubectlError(`the Job did not start in ${within / 1000} s: ${why}`)
      } else await sleep(lookEvery, undefined, { signal })
    }
    const beginsBy = performance.now() + within + patienceForNode
    while (!this.#isLoaded) {
      if (this.#failure !== undefined) throw new KubectlError(this.#failure)
      if (performance.now() > beginsBy) throw new KubectlError(`the load did not begin in ${within / 1000} s`)
      await Promise.race([sleep(lookEvery / 5, undefined, { signal }), this.failed])
    }
  }

  /** Ends the load by the end of its Job, and resolves with what it has seen. @throws KubectlError */
  async finish (within: number): Promise<RunRecord> {
    this.#isEnding = true
    await this.remove()
    await Promise.race([this.#stream?.ended, sleep(within, undefined, { ref: false })])
    if (this.#parcel.run !== undefined) return this.#parcel.run
    throw new KubectlError(['the result of the load did not arrive', ...this.#lines].join('\n'))
  }

  /** Deletes the Job, with its pod. @throws KubectlError where it is still there */
  async remove (): Promise<void> {
    if (!this.#isMade) return
    await this.#kubectl.run(this.#removal)
    this.#isMade = false
  }

  close (): void {
    this.#isEnding = true
    this.#stream?.stop()
  }

  get #removal (): string[] {
    return ['delete', 'jobs.batch', nameOf(this.#mark), '--ignore-not-found', '--cascade=background', '--wait=false']
  }

  async #look (signal: AbortSignal): Promise<Pod | undefined> {
    const text = await this.#kubectl.run(['get', 'pods', '-l', `${drillLabel}=${this.#mark}`, '-o', 'json'], { signal })
    const [pod] = (JSON.parse(text) as List<Pod>).items
    const waiting = containerOf(pod)?.state?.waiting
    if (waiting !== undefined && hopeless.test(waiting.reason ?? '')) {
      throw new KubectlError(`the Job cannot start: ${stateOf(pod)}`)
    }
    return pod
  }

  /** Why there is no pod, as the cluster tells it; whoever may not read events is told that there is none. */
  async #reason (signal: AbortSignal): Promise<string> {
    try {
      const selected = `involvedObject.name=${nameOf(this.#mark)}`
      const text = await this.#kubectl.run(['get', 'events', '--field-selector', selected, '-o', 'json'], { signal })
      const warning = (JSON.parse(text) as EventList).items.findLast(({ type }) => type === 'Warning')
      if (warning !== undefined) return `${warning.reason}: ${warning.message}`
    } catch {
      // The right is an optional one.
    }
    return 'it has no pod'
  }

  #follow (pod: string): void {
    this.#stream = this.#kubectl.stream(['logs', '-f', pod], (line) => { this.#read(line) })
    void this.#stream.ended.then(async (errors) => {
      if (this.#isEnding) return
      const end = await this.#look(new AbortController().signal).then(stateOf, messageOf)
      const said = [...this.#lines, errors].filter((text) => text !== '')
      this.#fail(new KubectlError([`the load has ended: ${end ?? 'its pod has gone'}`, ...said].join('\n')))
    })
  }

  #understand (line: string): Message | undefined {
    try {
      return this.#parcel.read(line)
    } catch (error) {
      this.#lines.push(messageOf(error))
      return { what: 'progress', requests: this.requests, lost: this.lost }
    }
  }

  #read (line: string): void {
    const message = this.#understand(line)
    if (message === undefined) {
      this.#lines.push(line)
      if (this.#lines.length > mostLines) this.#lines.shift()
    } else if (message.what === 'loaded') this.#isLoaded = true
    else if (message.what === 'failed') this.#failure = `the load could not begin: ${message.why}`
    else if (message.what === 'progress') Object.assign(this, { requests: message.requests, lost: message.lost })
  }
}

const containerOf = (pod: Pod | undefined): ContainerStatus | undefined => pod?.status?.containerStatuses?.[0]

/** Whether there is a log to follow. */
function hasBegun (pod: Pod): boolean {
  const { running, terminated } = containerOf(pod)?.state ?? {}
  return running !== undefined || terminated !== undefined
}

/** What a pod is waiting for, or how it has ended; undefined where there is none. */
function stateOf (pod: Pod | undefined): string | undefined {
  if (pod === undefined) return undefined
  const { waiting, terminated } = containerOf(pod)?.state ?? {}
  const scheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  const why = waiting ?? terminated ?? scheduled ?? pod.status
  const code = terminated === undefined ? [] : [`exit ${terminated.exitCode}`]
  return [...code, why?.reason, why?.message].filter((text) => text !== undefined && text !== '').join(', ')
    || pod.status?.phase
}

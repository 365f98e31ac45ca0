import type { LogLine, PodRecord, ReplicaRecord } from '../../../drill/index.ts'
import type { Report } from '../../../lifecycle/report.ts'
import { bounded, readReport } from '../../report/facts.ts'
import type { LogRecord } from '../../report/records.ts'
import type { ContainerStatus, Pod, WatchEvent } from './api.ts'

/** The end of a container. */
interface End { at: number, code: number, reason: string | undefined, message: string | undefined }

/** Lines that are kept of one pod. */
const mostLines = 50
/** Exit code of SIGKILL. */
const killed = 137

const timeOf = (text: string | undefined): number | undefined => text === undefined ? undefined : Date.parse(text)

/** One pod of the deployment, as the cluster and its log tell. Times are milliseconds since 1970. */
export class PodState {
  readonly name: string
  /** How often its container had been started again when it was seen first. */
  readonly #restartsBefore: number
  readonly #phases: Array<{ phase: string, at: number }> = []
  readonly #log: LogLine[] = []
  #createdAt = Date.now()
  #readyAt: number | undefined
  #toldToGoAt: number | undefined
  #end: End | undefined
  #restarts: number
  #disruption: string | undefined
  #report: Report | undefined
  isGone = false

  constructor (pod: Pod, container: string) {
    this.name = pod.metadata.name
    this.#restartsBefore = statusOf(pod, container)?.restartCount ?? 0
    this.#restarts = this.#restartsBefore
  }

  /** When it was told to go: by its own word, which is exact, else by the cluster's, in whole seconds. */
  get signalledAt (): number | undefined {
    return this.#report === undefined ? this.#toldToGoAt : this.#report.startedAt + this.#report.announcedBefore
  }

  get isEnding (): boolean { return this.#toldToGoAt !== undefined }

  /** Takes over what the cluster says of it. @returns what is new, in words */
  read (pod: Pod, container: string): string[] {
    const { metadata, status = {} } = pod
    const before = { ready: this.#readyAt, go: this.#toldToGoAt, end: this.#end, disruption: this.#disruption }
    this.#createdAt = timeOf(metadata.creationTimestamp) ?? this.#createdAt
    const conditions = status.conditions ?? []
    const ready = conditions.find((one) => one.type === 'Ready' && one.status === 'True')
    this.#readyAt ??= ready && (timeOf(ready.lastTransitionTime) ?? Date.now())
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata
    if (deletionTimestamp !== undefined) {
      this.#toldToGoAt ??= timeOf(deletionTimestamp)! - deletionGracePeriodSeconds * 1000
    }
    const disrupted = conditions.find((one) => one.type === 'DisruptionTarget' && one.status === 'True')
    const why = status.reason === 'Evicted' ? status : disrupted
    if (why !== undefined) this.#disruption = [why.reason, why.message].filter((text) => text !== undefined).join(': ')
    const own = statusOf(pod, container)
    const restarted = (own?.restartCount ?? 0) - this.#restarts
    this.#restarts += Math.max(0, restarted)
    const { terminated } = own?.state ?? {}
    if (terminated !== undefined) {
      const { exitCode: code, finishedAt, reason, message } = terminated
      this.#end = { at: timeOf(finishedAt) ?? Date.now(), code, reason, message }
    } else if (restarted > 0) this.#end = undefined
    return [
      ...before.ready === undefined && this.#readyAt !== undefined ? ['running'] : [],
      ...before.disruption === this.#disruption ? [] : [`has to go: ${this.#disruption}`],
      ...before.go === undefined && this.#toldToGoAt !== undefined ? ['signalled'] : [],
      ...restarted > 0 ? ['its container was started again'] : [],
      ...before.end === undefined && this.#end !== undefined ? [`terminated, exit ${this.#end.code}`] : []
    ]
  }

  /** Takes over what its log says. @returns what is new, in words */
  hear ({ event, fields: given }: LogRecord): string[] {
    const fields = bounded(given) as LogLine
    this.#log.push(fields)
    if (this.#log.length > mostLines) this.#log.shift()
    if (event === 'graceful.report') this.#report = readReport(fields.report) ?? this.#report
    const { phase, time = Date.now() } = fields
    if (event !== 'graceful.phase' || typeof phase !== 'string' || phase === 'terminated') return []
    this.#phases.push({ phase, at: time })
    return [phase]
  }

  /** It as plain data, as a drill has a replica. */
  record (grace: number): ReplicaRecord {
    const { signalledAt } = this
    const end = this.#end
    const took = Math.max(0, (end?.at ?? Date.now()) - (signalledAt ?? 0))
    const history = [
      { phase: 'starting', at: this.#createdAt },
      ...this.#readyAt === undefined ? [] : [{ phase: 'running', at: this.#readyAt }],
      ...this.#phases,
      ...end === undefined ? [] : [{ phase: 'terminated', at: Math.max(end.at, this.#phases.at(-1)?.at ?? 0) }]
    ]
    const pod: PodRecord = {
      restarts: this.#restarts - this.#restartsBefore,
      reason: end?.reason, message: end?.message, disruption: this.#disruption
    }
    const isKilled = end?.code === killed && end.reason !== 'OOMKilled' && took >= grace - 1000
    return {
      name: this.name, history, signalledAt, removedAt: undefined, report: this.#report, log: [...this.#log], pod,
      departure: signalledAt === undefined ? undefined : { took, code: end?.code ?? null, signal: null, isKilled }
    }
  }
}

function statusOf ({ status }: Pod, container: string): ContainerStatus | undefined {
  return status?.containerStatuses?.find(({ name }) => name === container)
}

/** All pods of the deployment that there were since the drill began. */
export class Pods {
  readonly #container: string
  readonly #tell: (name: string, what: string) => void
  readonly #all = new Map<string, PodState>()
  readonly #waiting = new Set<() => void>()

  /** @param tell hears what is new of each */
  constructor (container: string, tell: (name: string, what: string) => void) {
    this.#container = container
    this.#tell = tell
  }

  get all (): PodState[] { return [...this.#all.values()] }

  /** Takes over one event of a watch. */
  read ({ type, object }: WatchEvent): void {
    if (object?.metadata?.name === undefined || !['ADDED', 'MODIFIED', 'DELETED'].includes(type)) return
    const { name, uid = name } = object.metadata
    const pod = this.#all.get(uid) ?? new PodState(object, this.#container)
    this.#all.set(uid, pod)
    for (const what of pod.read(object, this.#container)) this.#tell(name, what)
    if (type === 'DELETED') pod.isGone = true
    for (const look of this.#waiting) look()
  }

  /** These are all that there are: others have gone while nobody watched. */
  keep (uids: ReadonlySet<string>): void {
    for (const [uid, pod] of this.#all) if (!uids.has(uid)) pod.isGone = true
    for (const look of this.#waiting) look()
  }

  /** Takes over one event of the log of a pod. */
  hear (record: LogRecord): void {
    const name = record.origin.pod
    const pod = this.all.findLast((one) => one.name === name)
    for (const what of pod?.hear(record) ?? []) this.#tell(pod!.name, what)
  }

  /** Resolves when it holds, or when the time is over: whether it does. */
  until (holds: () => boolean, within: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        signal.removeEventListener('abort', settle)
        resolve(holds())
      }
      const look = (): void => { if (holds()) settle() }
      const timer = setTimeout(settle, within)
      signal.addEventListener('abort', settle)
      this.#waiting.add(look)
      look()
    })
  }
}

/** One line of what kubectl prints of a watch: JSON; undefined for anything else. */
export function watchEventOf (line: string): WatchEvent | undefined {
  try {
    return JSON.parse(line) as WatchEvent
  } catch {
    return undefined
  }
}

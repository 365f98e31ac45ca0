import type { PlacedLoss } from './losses.ts'
import type { DrillRecord, ReplicaRecord } from './record.ts'

/** What a request was lost to, as far as a record tells. */
export type CauseName =
  /** This machine had no socket or port left. */
  | 'machine'
  /** The answer was complete, and not the expected one. */
  | 'expectation'
  /** No replica was in rotation. */
  | 'vacancy'
  /** The replica has ended by itself. */
  | 'crash'
  /** A new replica answered with an error soon after it was ready. */
  | 'warm-up'
  /** A kept-alive connection was closed by a replica that was to stay. */
  | 'keep-alive'
  /** The replica does not use the plugin. */
  | 'plugin'
  /** A second signal has shortened each phase. */
  | 'second-signal'
  /** SIGKILL at the end of the grace period. */
  | 'killed'
  /** The deadline of the plugin. */
  | 'deadline'
  /** The listener was closed, and the front still sent. */
  | 'late-front'
  /** The front refused new connections, although the listener was still open, and others still sent them there. */
  | 'early-refusal'
  /** The front was never told. */
  | 'deaf-front'
  /** An idle connection was closed while its client sent. */
  | 'idle'
  /** Code of the service ended the connection. */
  | 'own-code'
  /** The service answered with an error after the signal. */
  | 'answered-after-signal'

/** A loss with its cause, and the replica that it belongs to. */
export interface Explained { loss: PlacedLoss, replica: ReplicaRecord | undefined, cause: CauseName }

/** How soon an error of a new replica counts as one of its start, in milliseconds. */
const warmUp = 10_000
/** How much later than SIGKILL its losses are seen, and how much earlier than that is planned, in milliseconds. */
const slack = 250

const pluginPhases = new Set(['announcing', 'closing', 'draining'])

/** Whether a replica uses the plugin, as its log tells. */
export function usesPlugin ({ report, log, history }: ReplicaRecord): boolean {
  return report !== undefined || history.some(({ phase }) => pluginPhases.has(phase))
    || log.some(({ event }) => String(event).startsWith('graceful.'))
}

/** When a phase of a replica began. */
export function beganAt ({ history }: ReplicaRecord, name: string): number | undefined {
  return history.find(({ phase }) => phase === name)?.at
}

/** What a loss comes from; undefined where the record does not tell. */
export function causeOf (loss: PlacedLoss, replica: ReplicaRecord | undefined, record: DrillRecord):
CauseName | undefined {
  if (loss.kind === 'not-sent') return 'machine'
  if (loss.kind === 'wrong-answer') return 'expectation'
  if (replica === undefined) return loss.kind === 'refused' ? 'vacancy' : undefined
  if (loss.sinceSignal === undefined) return causeWithoutSignal(loss, replica)
  const isGone = loss.failedAt >= (beganAt(replica, 'terminated') ?? Infinity)
  if (replica.removedAt === undefined && isUnheard(loss) && isGone) return 'deaf-front'
  if (!usesPlugin(replica)) return 'plugin'
  return causeAfterSignal(loss, replica, loss.sinceSignal, record)
}

function causeWithoutSignal ({ kind, failedAt }: PlacedLoss, replica: ReplicaRecord): CauseName | undefined {
  const ended = beganAt(replica, 'terminated')
  if (replica.signalledAt === undefined && ended !== undefined && failedAt >= ended - slack) return 'crash'
  const ready = beganAt(replica, 'running') ?? failedAt
  if (kind === 'answered-5xx' && replica.name.endsWith('new') && failedAt - ready < warmUp) return 'warm-up'
  return kind === 'reset-reused' ? 'keep-alive' : undefined
}

/** Whether the request never reached the replica. */
const isUnheard = ({ kind }: PlacedLoss): boolean => kind === 'refused' || kind === 'reset-new'

function causeAfterSignal (
  loss: PlacedLoss, replica: ReplicaRecord, since: number, { grace }: DrillRecord
): CauseName | undefined {
  const { kind, phase = '', sentAt } = loss
  const { report, departure, removedAt } = replica
  if (report?.hurried !== undefined) return 'second-signal'
  if (departure?.isKilled === true && since >= Math.min(grace, departure.took) - slack) return 'killed'
  if (kind === 'answered-5xx') return 'answered-after-signal'
  const closedAt = beganAt(replica, 'draining') ?? beganAt(replica, 'terminated')
  const isLate = closedAt !== undefined && sentAt >= closedAt - slack
  if (kind === 'refused' && closedAt !== undefined && !isLate && removedAt !== undefined) return 'early-refusal'
  if (isUnheard(loss) && (isLate || kind === 'refused')) return removedAt === undefined ? 'deaf-front' : 'late-front'
  if (report !== undefined && report.cut.requests.length > 0 && kind !== 'reset-reused') return 'deadline'
  if (report !== undefined && report.cut.byOthers.length > 0) return 'own-code'
  return kind === 'reset-reused' && phase !== 'running' && phase !== 'announcing' ? 'idle' : undefined
}

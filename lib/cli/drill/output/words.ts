import type { DrillRecord, PlacedLoss, ReplicaRecord, RunRecord } from '../../../drill/index.ts'
import { duration } from '../../../status/words.ts'
import { counted } from '../../../util/text.ts'

/** What was rehearsed, in one line. */
export function subject ({ service, front, fault, replicas, grace, rate }: DrillRecord): string {
  if (replicas === 0) return `${service}: load alone, ${counted(rate, 'request')} a second`
  return `${service}: front ${front}${fault === undefined ? '' : `, fault ${fault}`}, ${counted(replicas, 'replica')}, `
    + `grace period ${duration(grace)}, ${counted(rate, 'request')} a second`
}

/** Whether a run has lost no more than it may, or its fault had the expected outcome. */
export function isPassedRun ({ lost, fault }: RunRecord, { maxLost }: DrillRecord): boolean {
  return fault?.met ?? lost <= maxLost
}

/** Whether each run has. */
export function isPassed (record: DrillRecord): boolean {
  return record.runs.every((run) => isPassedRun(run, record))
}

/** What was lost, in one line. */
export function outcome (record: DrillRecord): string {
  const { runs, maxLost } = record
  const lost = runs.map((run) => run.lost)
  const requests = runs.reduce((sum, run) => sum + run.requests, 0)
  const total = lost.reduce((sum, count) => sum + count, 0)
  const range = runs.length > 1 ? ` in ${runs.length} runs (${Math.min(...lost)} to ${Math.max(...lost)} each)` : ''
  return `${total} of ${counted(requests, 'request')} lost${range}${maxLost > 0 ? `, ${maxLost} allowed` : ''}`
}

/** How a replica ended. */
export function ending ({ departure, history }: ReplicaRecord, grace: number): string {
  if (departure === undefined) return history.at(-1)?.phase === 'terminated' ? 'ended by itself' : 'stayed'
  const { took, code, signal, isKilled } = departure
  return isKilled
    ? `KILLED at the end of the grace period (${duration(grace)})`
    : `${signal === null ? `exit ${code ?? 'code unknown'}` : `ended by ${signal}`} after ${duration(took)}`
}

/** What the plugin says of an end; empty where it says nothing. */
export function reportOf ({ report }: ReplicaRecord): string {
  return report === undefined ? '' : `${report.verdict}: ${report.summary}`
}

/** When a loss was, seen from its replica's signal. */
export function momentOf ({ sinceSignal }: PlacedLoss): string {
  return sinceSignal === undefined ? 'no signal yet' : `+${sinceSignal} ms`
}

/** A line of a log, as far as it is for people. */
export function logLine (line: Readonly<Record<string, unknown>>): string {
  const { msg } = line
  return typeof msg === 'string' ? msg : JSON.stringify(line)
}

/** What was asked for, and what came of it. */
export function lossOf ({ method, path, kind, detail }: PlacedLoss): string {
  return `${method} ${path}: ${kind}${detail === '' || detail === kind ? '' : ` (${detail})`}`
}

/** Losses with one kind, replica and phase. */
export interface LossGroup { kind: string, replica: string, phase: string, losses: PlacedLoss[] }

/** Losses by kind, replica and phase, the most first. */
export function groupLosses (losses: readonly PlacedLoss[]): LossGroup[] {
  const groups = new Map<string, LossGroup>()
  for (const loss of losses) {
    const { kind, replica = 'no replica', phase = '-' } = loss
    const key = JSON.stringify([kind, replica, phase])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { kind, replica, phase, losses: [loss] })
    else group.losses.push(loss)
  }
  return [...groups.values()].toSorted((a, b) => b.losses.length - a.losses.length)
}

/** Since the signal, the first and the last of some losses. */
export function spanOf (losses: readonly PlacedLoss[]): string {
  const times = losses.flatMap(({ sinceSignal }) => sinceSignal ?? [])
  if (times.length === 0) return 'without a signal'
  // No spread: a run may have a thousand of them.
  const least = times.reduce((a, b) => Math.min(a, b))
  const most = times.reduce((a, b) => Math.max(a, b))
  return least === most ? `${least} ms after the signal` : `${least} to ${most} ms after the signal`
}

/** The heads of {@link podRow}. */
export const podHeads: readonly string[] =
  ['pod', 'end', 'last new connection', 'announcing', 'closing', 'draining', 'terminated', 'verdict']

/** One pod of a cluster: its end, from SIGTERM to the last new connection, its phases, and what its report says. */
export function podRow (replica: ReplicaRecord, grace: number): string[] {
  const { name, report } = replica
  const last = report?.traffic.lastArrival
  const phase = (one: string): string => duration(report?.phases.find((record) => record.phase === one)?.duration)
  return [
    name,
    ending(replica, grace),
    report === undefined ? '' : last === undefined ? 'none' : duration(Math.max(0, last - report.announcedBefore)),
    ...['announcing', 'closing', 'draining', 'terminated'].map(phase),
    report?.verdict ?? (replica.departure === undefined ? '' : 'no report')
  ]
}

/** What else the cluster says of a pod: evictions, restarts, a container that was killed, its termination message. */
export function podNotes ({ name, pod, report, departure }: ReplicaRecord): string[] {
  if (pod === undefined) return []
  const { restarts, reason, message, disruption } = pod
  const isOdd = departure !== undefined && report?.verdict !== 'clean'
  return [
    ...disruption === undefined ? [] : [`${name} had to go: ${disruption}`],
    ...restarts === 0 ? [] : [`${name}: its container was started again ${counted(restarts, 'time')}`],
    ...reason === undefined || reason === 'Completed' ? [] : [`${name} ended as ${reason}`],
    ...message === undefined || !isOdd ? [] : [`${name} left the message ${message}`]
  ]
}

/** A time of an answer in milliseconds. */
export function milliseconds (value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

/** All names of a setting with its value, as it is written in each place. */
export function settingOf (
  { option, value, variable, chart }: { option: string, value: number | string, variable?: string, chart?: string }
): string[] {
  const elsewhere = typeof value === 'number' ? value / 1000 : value
  return [
    `${option}: ${value}`,
    ...variable === undefined ? [] : [`${variable}=${elsewhere}`],
    ...chart === undefined ? [] : [`chart: ${chart}: ${elsewhere}`]
  ]
}

/** How many losses an advice would have saved, in words. */
export function saving ({ saves }: { saves: number | undefined }): string {
  if (saves === undefined) return 'which losses it would have saved nobody says'
  return saves === 0 ? 'no request was lost to it' : `would have saved ${counted(saves, 'request')}`
}

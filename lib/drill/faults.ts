import type { DrillResult } from './drill.ts'
import type { ClientOutcome } from './fault-clients.ts'
import { countByKind } from './losses.ts'
import type { PlacedLoss } from './losses.ts'
import type { Replica } from './replicas.ts'

/** One thing that was to be seen. */
export interface Expectation {
  expected: string
  seen: string
  /** Whether it was as expected. */
  met: boolean
}

/** What came of a fault in one rehearsal. */
export interface FaultRecord {
  /** When it was planted, in milliseconds since 1970; undefined where it could not be: what it was for had ended. */
  at: number | undefined
  /** The name of the replica that had it; undefined where it is no single one. */
  replica: string | undefined
  /** Whether the service's log tells of the plugin: what is expected depends on it. */
  usesPlugin: boolean
  expectations: Expectation[]
  /** Whether all was as expected. */
  met: boolean
}

/** What was seen of a rehearsal with a fault. */
interface Sighting {
  result: DrillResult
  usesPlugin: boolean
  /** The replica that had the fault, or was the first to be replaced. */
  victim: Replica
  /** Those that were started in place of others. */
  successors: readonly Replica[]
  clients: readonly ClientOutcome[]
}

/** The name of a fault. */
export type FaultName = 'hang' | 'crash' | 'slow-boot' | 'boot-failure' | 'slow-client' | 'half-body' |
  'dependency-down' | 'second-signal' | 'oom'

/** A fault: what it does, and what is expected then. */
export interface Fault {
  /** What happens, and when. */
  title: string
  /** Whether something has to run in the service's process, which Node alone does. */
  needsNode: boolean
  judge: (sighting: Sighting) => Expectation[]
}

/** Times of the scenarios in milliseconds; those in the docs are these. */
export const faultTimes: Readonly<Record<
  'beforeSignal' | 'afterSignal' | 'slowBoot' | 'slowRead' | 'outage', number
>> = {
  /** From the fault to the signal. */
  beforeSignal: 300,
  /** From the signal to the fault. */
  afterSignal: 20,
  /** For which each successor's boot is held back. */
  slowBoot: 3000,
  /** From a replica's signal until its slow clients read. */
  slowRead: 1000,
  /** For which the dependency is away. */
  outage: 2000
}

/** How a successor ends that fails at boot. */
export const bootFailureCode = 70

const departureOf = ({ result, victim }: Sighting): DrillResult['departures'][number] | undefined =>
  result.departures.find(({ name }) => name === victim.name)

/** The end of the replica with the fault. @param isRight whether it was the expected one */
function ends (
  sighting: Sighting, expected: string, isRight: (end: DrillResult['departures'][number]) => boolean
): Expectation {
  const end = departureOf(sighting)
  const seen = end === undefined ? 'it stayed'
    : `${end.isKilled ? 'SIGKILL' : end.signal ?? `exit ${end.code}`} after ${end.took} ms`
  return { expected: `replica ${sighting.victim.name} ${expected}`, seen, met: end !== undefined && isRight(end) }
}

/** Nobody outlives the grace period. */
function allEnd ({ result: { departures } }: Sighting): Expectation {
  const killed = departures.filter(({ isKilled }) => isKilled).map(({ name }) => name)
  return {
    expected: 'each replaced replica ends within its grace period',
    seen: killed.length > 0 ? `SIGKILL for ${killed.join(', ')}` : `${departures.length} ended`,
    met: killed.length === 0 && departures.length > 0
  }
}

/** No request is lost, but for those that the fault itself takes. */
function keeps (
  { result: { losses } }: Sighting, expected = 'no request is lost', isAllowed?: (loss: PlacedLoss) => boolean
): Expectation {
  const lost = losses.filter((loss) => isAllowed?.(loss) !== true)
  const kinds = Object.entries(countByKind(lost)).map(([kind, count]) => `${count} ${kind}`).join(', ')
  const names = [...new Set(lost.map(({ replica = 'no replica' }) => replica))].join(', ')
  return { expected, seen: lost.length === 0 ? 'none' : `${kinds} (${names})`, met: lost.length === 0 }
}

function keepsElsewhere (sighting: Sighting): Expectation {
  const { name } = sighting.victim
  return keeps(sighting, `no request is lost but at replica ${name}`, ({ replica }) => replica === name)
}

const aborted = (sighting: Sighting): Expectation =>
  // A shell or npm between tells a signal as a code.
  ends(sighting, 'is ended by SIGABRT (V8 is out of memory)', ({ signal, code }) =>
    signal === 'SIGABRT' || code === 134)

function successorsAre (
  { successors: all }: Sighting, expected: string, isRight: (replica: Replica) => boolean
): Expectation {
  const seen = all.map(({ name, history, exit }) => {
    const ready = history.find(({ phase }) => phase === 'running')
    return `${name} ${ready === undefined ? `exit ${exit}` : `ready after ${ready.at - history[0]!.at} ms`}`
  })
  return { expected, seen: seen.join(', '), met: all.length > 0 && all.every(isRight) }
}

/** Until somebody was told to go, all goes on as before. */
function keepsUntilSignal (sighting: Sighting): Expectation {
  const first = Math.min(...sighting.result.departures.map(({ signalledAt }) => signalledAt))
  return keeps(sighting, 'no request is lost while the old replicas wait', ({ failedAt }) => failedAt >= first)
}

function clientsSaw (
  { clients }: Sighting, expected: string, isRight: (outcome: ClientOutcome) => boolean
): Expectation {
  return { expected, seen: clients.join(', ') || 'no client', met: clients.length > 0 && clients.every(isRight) }
}

/** All faults by name. `docs/guides/drill.md` tells what is expected of each. */
export const faults: Readonly<Record<FaultName, Fault>> = {
  hang: {
    title: `the event loop of the first replica blocks ${faultTimes.beforeSignal} ms before its SIGTERM, for good`,
    needsNode: true,
    judge: (sighting) => sighting.usesPlugin
      ? [ends(sighting, 'exits with 1 before SIGKILL', ({ code }) => code === 1), keepsElsewhere(sighting)]
      : [ends(sighting, 'is ended by a signal', ({ signal }) => signal !== null)]
  },
  crash: {
    title: `the first replica throws an uncaught exception ${faultTimes.afterSignal} ms after its SIGTERM`,
    needsNode: true,
    judge: (sighting) => sighting.usesPlugin
      ? [ends(sighting, 'exits with 1', ({ code }) => code === 1),
          keeps(sighting, 'no request is lost that was accepted', ({ kind, replica }) =>
            kind === 'refused' && replica === sighting.victim.name)]
      : [ends(sighting, 'exits with a code other than 0', ({ code }) => code !== null && code !== 0)]
  },
  'slow-boot': {
    title: `the boot of each successor takes ${faultTimes.slowBoot} ms longer`,
    needsNode: true,
    judge: (sighting) => [
      successorsAre(sighting, `successors are ready after ${faultTimes.slowBoot} ms at the earliest`, ({ history }) =>
        (history.find(({ phase }) => phase === 'running')?.at ?? 0) - history[0]!.at >= faultTimes.slowBoot),
      sighting.usesPlugin ? keeps(sighting) : keepsUntilSignal(sighting)
    ]
  },
  'boot-failure': {
    title: `the first successor exits with ${bootFailureCode} at boot`,
    needsNode: true,
    judge: (sighting) => [
      successorsAre(sighting, `the successor exits with ${bootFailureCode}`, ({ exit }) => exit === bootFailureCode),
      {
        expected: 'no replica is told to go',
        seen: `${sighting.result.departures.length} told`,
        met: sighting.result.departures.length === 0
      },
      keeps(sighting)
    ]
  },
  'slow-client': {
    title: `clients read nothing of an answer until ${faultTimes.slowRead} ms after the SIGTERM of their replica`,
    needsNode: false,
    judge: (sighting) => sighting.usesPlugin
      ? [clientsSaw(sighting, 'slow clients get whole answers', (outcome) => outcome === 'complete'),
          allEnd(sighting), keeps(sighting)]
      : [allEnd(sighting)]
  },
  'half-body': {
    title: 'clients send half of a body, and stay',
    needsNode: false,
    judge: (sighting) => [
      clientsSaw(sighting, 'clients with half a body are not answered', (outcome) => outcome !== 'complete'),
      ...sighting.usesPlugin ? [allEnd(sighting), keeps(sighting)] : []
    ]
  },
  'dependency-down': {
    title: `what --dependency names is away for ${faultTimes.outage} ms from the first SIGTERM on`,
    needsNode: false,
    judge: (sighting) => [
      allEnd(sighting),
      ...sighting.usesPlugin
        ? [keeps(sighting, 'no request is lost but by an answer of 500 or more', ({ kind }) => kind === 'answered-5xx')]
        : []
    ]
  },
  'second-signal': {
    title: `each replica gets SIGTERM again ${faultTimes.afterSignal} ms after the first`,
    needsNode: false,
    judge: (sighting) => [allEnd(sighting), ...sighting.usesPlugin ? [keeps(sighting)] : []]
  },
  oom: {
    title: `the first replica allocates until its heap is full ${faultTimes.afterSignal} ms after its SIGTERM`,
    needsNode: true,
    judge: (sighting) => [aborted(sighting), ...sighting.usesPlugin ? [keepsElsewhere(sighting)] : []]
  }
}

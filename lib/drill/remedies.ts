import { counted } from '../util/text.ts'
import { beganAt, usesPlugin } from './causes.ts'
import type { CauseName, Explained } from './causes.ts'
import type { DrillRecord, ReplicaRecord } from './record.ts'

/** One setting of the plugin, by each of its names. */
interface Setting {
  /** The option: `announce.min`. */
  option: string
  /** A time in milliseconds, or another value. */
  value: number | string
  /** The variable that is its default, in seconds where the value is a time. */
  variable?: string
  /** The value of the chart `graceful-service`, in seconds where the value is a time. */
  chart?: string
}

/** What helps against one cause. */
export interface Remedy {
  action: string
  /** What was seen. */
  because: string
  settings: Setting[]
}

/** The other names of options that an advice sets. */
const names: Readonly<Record<string, readonly [variable: string, chart: string]>> = {
  'announce.min': ['GRACEFUL_ANNOUNCE_MIN_SECONDS', 'announce.minSeconds'],
  'announce.readinessDelay': ['GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS', 'announce.readinessDelaySeconds'],
  'drain.idle': ['GRACEFUL_DRAIN_IDLE_SECONDS', 'drain.idleSeconds'],
  gracePeriod: ['TERMINATION_GRACE_PERIOD_SECONDS', 'terminationGracePeriodSeconds']
}

function timeOf (option: string, value: number): Setting {
  const [variable = '', chart = ''] = names[option] ?? []
  return { option, value, variable, chart }
}

const seconds = (milliseconds: number): string => `${Number((milliseconds / 1000).toFixed(1))} s`
const upTo = (step: number, value: number): number => Math.ceil(value / step) * step
const largest = (values: Iterable<number | undefined>): number =>
  Math.max(0, ...[...values].filter((value) => value !== undefined))
const replicasOf = (all: readonly Explained[]): ReplicaRecord[] =>
  [...new Set(all.flatMap(({ replica }) => replica ?? []))]
const list = (texts: readonly string[]): string => [...new Set(texts)].slice(0, 5).join(', ')
const request = ({ loss }: Explained): string => `${loss.method} ${loss.path}`

/** How long phase 1 may last at most by default: see `cutBudget`. */
function longestAnnouncement (grace: number): number {
  return grace - Math.min(2000, grace / 10) - Math.min(5000, grace / 6) - Math.min(5000, grace / 4)
}

/** What helps against a cause. */
export function remediesFor (cause: CauseName, losses: readonly Explained[], record: DrillRecord): Remedy {
  return remedies[cause](losses, record, replicasOf(losses))
}

const remedies: Readonly<Record<
  CauseName, (losses: readonly Explained[], record: DrillRecord, replicas: readonly ReplicaRecord[]) => Remedy
>> = {
  plugin (losses, { grace }, replicas) {
    const deaf = replicas.filter(({ departure }) => departure?.isKilled)
    const how = deaf.length > 0
      ? `${counted(deaf.length, 'replica')} still ran at SIGKILL, ${seconds(grace)} after SIGTERM`
      : `the first was lost ${Math.min(...losses.map(({ loss }) => loss.sinceSignal ?? 0))} ms after SIGTERM`
    return {
      action: 'Register the plugin, before everything else: await app.register(graceful)',
      because: `nothing in the log of ${list(replicas.map(({ name }) => name))} is of fastify-graceful, and ${how}`,
      settings: []
    }
  },
  'late-front' (losses, { grace }, replicas) {
    const min = upTo(500, largest([
      ...losses.map(({ loss }) => loss.sinceSignal),
      ...replicas.map(({ removedAt = 0, signalledAt = removedAt }) => removedAt - signalledAt),
      ...replicas.map(({ report }) => report?.traffic.suggestedMin)
    ]) + 250)
    const needed = neededGrace(min, grace)
    const closed = replicas.map((replica) =>
      (beganAt(replica, 'draining') ?? beganAt(replica, 'terminated') ?? 0) - (replica.signalledAt ?? 0))
    return {
      action: `Keep phase 1 for ${seconds(min)} at least`,
      because: `new connections came until ${largest(losses.map(({ loss }) => loss.sinceSignal))} ms after SIGTERM, `
        + `and the listener was closed after ${Math.min(...closed)} ms`,
      settings: [timeOf('announce.min', min), ...needed === grace ? [] : [timeOf('gracePeriod', needed)]]
    }
  },
  'early-refusal' (losses, _record, replicas) {
    const removed = largest(replicas.map(({ removedAt = 0, signalledAt: at = removedAt }) => removedAt - at))
    const delay = upTo(500, removed + 250)
    const first = Math.min(...losses.map(({ loss }) => loss.sinceSignal ?? 0))
    return {
      action: `Stay ready for ${seconds(delay)} of phase 1, until nobody sends new connections any more`,
      because: `they were refused from ${first} ms after SIGTERM on, as readiness failed, and sent until ${removed} ms`,
      settings: [timeOf('announce.readinessDelay', delay), timeOf('announce.min', delay)]
    }
  },
  'deaf-front': (losses) => ({
    action: 'Let the front ask a readiness route (/readyz), or tell it of the end before SIGTERM (preStop)',
    because: `the front sent new connections until ${largest(losses.map(({ loss }) => loss.sinceSignal))} ms after `
      + 'SIGTERM, and never stopped',
    settings: []
  }),
  deadline (losses, { grace }, replicas) {
    const cut = replicas.flatMap(({ report }) => report?.cut.requests ?? [])
    const oldest = cut.toSorted((a, b) => b.age - a.age)[0]
    const needed = upTo(5000, grace + (oldest?.age ?? 0))
    return {
      action: `Raise the grace period to ${seconds(needed)}, or make ${list(losses.map(request))} faster`,
      because: `${counted(cut.length, 'request')} ran at the deadline, the oldest (${oldest?.method} `
        + `${oldest?.route ?? 'without a route'}) for ${oldest?.age} ms`,
      settings: [timeOf('gracePeriod', needed)]
    }
  },
  killed: (_losses, record, replicas) => killed(replicas, record),
  'second-signal': (_losses, { grace }, replicas) => ({
    action: `Send one signal only, and SIGKILL not before ${seconds(grace)}`,
    because: `a second signal has capped each phase of ${list(replicas.map(({ name }) => name))} at 1 s`,
    settings: []
  }),
  idle (losses, _record, replicas) {
    const waits = replicas.map((replica) => largest(losses.filter((one) => one.replica === replica)
      .map(({ loss }) => loss.failedAt - (beganAt(replica, 'draining') ?? loss.failedAt))))
    const idle = Math.max(5000, upTo(1000, largest(waits) + 1000))
    return {
      action: `Keep idle connections for ${seconds(idle)} in phase 3, longer than clients pause`,
      because: `kept-alive connections were closed while ${list(losses.map(request))} was on its way`,
      settings: [timeOf('drain.idle', idle)]
    }
  },
  'keep-alive': (losses) => ({
    action: 'Set Fastify\'s keepAliveTimeout above the idle timeout of the front (its default is 72 s)',
    because: `a running replica closed a kept-alive connection while ${list(losses.map(request))} was on its way`,
    settings: [{ option: 'keepAliveTimeout', value: 72_000 }]
  }),
  'own-code': (_losses, _record, replicas) => ({
    action: 'Look for closeAllConnections, destroy on a socket or reply, and connectionTimeout in the service',
    because: 'other code of the process ended the connections of '
      + list(replicas.flatMap(({ report }) => report?.cut.byOthers ?? [])
        .map(({ method, route }) => `${method} ${route ?? '(no route)'}`)),
    settings: []
  }),
  'answered-after-signal': (losses) => ({
    action: 'Close what requests need (pools, clients) in onClose hooks, not on SIGTERM',
    because: `after SIGTERM the service itself answered ${list(losses.map(({ loss }) => loss.detail))} to `
      + list(losses.map(request)),
    settings: [
      { option: 'otherListeners', value: 'after', variable: 'GRACEFUL_OTHER_LISTENERS', chart: 'otherListeners' }]
  }),
  'warm-up': (losses, _record, replicas) => ({
    action: 'Be ready later: app.graceful.addCheck for what requests need',
    because: `${list(replicas.map(({ name }) => name))} said ready and then answered `
      + `${list(losses.map(({ loss }) => loss.detail))} to ${list(losses.map(request))}`,
    settings: []
  }),
  crash: (_losses, _record, replicas) => ({
    action: 'Look for what ended the replica',
    because: replicas.map(({ name, log }) => `${name} ended without a signal, and said last: `
      + (log.at(-1)?.msg ?? 'nothing')).join('; '),
    settings: []
  }),
  vacancy: () => ({
    action: 'Keep a replica in rotation: two replicas at least, and a rolling update with maxUnavailable 0',
    because: 'no replica was in rotation',
    settings: [{ option: 'maxUnavailable', value: '0', chart: 'strategy.maxUnavailable' }]
  }),
  expectation: (losses) => ({
    action: 'Compare what is asked for with what the service answers: --path, --har, --openapi',
    because: `complete answers were not the expected ones: ${list(losses.map((one) =>
      `${one.loss.detail} to ${request(one)}`))}`,
    settings: []
  }),
  machine: (losses) => ({
    action: 'Lower --rate, or raise the limits of this machine (ulimit -n): the service never saw these requests',
    because: list(losses.map(({ loss }) => loss.detail)),
    settings: []
  })
}

/** The grace period that has room for such a phase 1. */
function neededGrace (min: number, grace: number): number {
  let needed = grace
  while (longestAnnouncement(needed) < min) needed = upTo(5000, needed + 1)
  return needed
}

function killed (replicas: readonly ReplicaRecord[], { grace }: DrillRecord): Remedy {
  const [first] = replicas
  const log = first?.log ?? []
  const planned = log.findLast(({ event }) => event === 'graceful.platform')?.['gracePeriod']
  const told = log.findLast(({ event }) => event === 'graceful.phase')?.['phase']
  const phase = typeof told === 'string' ? told : first?.history.at(-2)?.phase
  const because = `${list(replicas.map(({ name }) => name))} still ran at SIGKILL, ${seconds(grace)} after SIGTERM`
    + `, in phase ${phase}`
  if (typeof planned === 'number' && planned > grace) {
    return {
      action: `Tell the plugin its grace period: it plans with ${seconds(planned)}`, because,
      settings: [timeOf('gracePeriod', grace)]
    }
  }
  return {
    action: 'Enable the watchdog, which ends a process whose event loop hangs, and says where', because,
    settings: [{ option: 'watchdog.enabled', value: 'true' }]
  }
}

/** What the chart's startup probe allows by default, in milliseconds, and how often it asks. */
const [startupAllows, startupEvery] = [60_000, 2000]

/** What is to be changed though nothing was lost to it, or not only requests. */
export function remediesOfReplicas (
  record: DrillRecord, known: ReadonlySet<CauseName>
): Array<Remedy & { cause: CauseName | 'report' | 'boot' }> {
  const replicas = record.runs.flatMap((run) => run.replicas)
  const dead = replicas.filter((one) => one.departure?.isKilled === true && usesPlugin(one))
  const boot = largest(replicas.map((one) => (beganAt(one, 'running') ?? 0) - (beganAt(one, 'starting') ?? Infinity)))
  const threshold = Math.ceil(boot * 2 / startupEvery)
  return [
    ...dead.length === 0 || known.has('killed') ? [] : [{ cause: 'killed' as const, ...killed(dead, record) }],
    ...boot * 2 <= startupAllows ? [] : [{
      cause: 'boot' as const,
      action: `Give the startup probe twice the time that a start takes: failureThreshold ${threshold}`,
      because: `a replica took ${seconds(boot)} to be ready, and the chart's startup probe allows `
        + seconds(startupAllows),
      settings: [{
        option: 'startupProbe.failureThreshold', value: String(threshold), chart: 'probes.startup.failureThreshold'
      }]
    }],
    ...reported(replicas, known)
  ]
}

/** What the plugin's own reports advise, once each. */
function reported (replicas: readonly ReplicaRecord[], known: ReadonlySet<CauseName>): Array<Remedy & {
  cause: 'report'
}> {
  const found = new Map<string, Remedy & { cause: 'report' }>()
  for (const { name, report } of replicas) {
    for (const text of report?.advice ?? []) {
      if (known.has('late-front') && text.includes('announce.min')) continue
      if (known.has('deadline') && /requests? (?:was|were) cut/.test(text)) continue
      const key = text.replaceAll(/\d+/g, '0')
      if (!found.has(key)) {
        const because = `the plugin's report of ${name} says so`
        found.set(key, { cause: 'report', action: text, because, settings: [] })
      }
    }
  }
  return [...found.values()]
}

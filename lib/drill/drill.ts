import { setTimeout as sleep } from 'node:timers/promises'
import { startBalancer } from './balancer.ts'
import { defaults } from './defaults.ts'
import type { Front, Notice } from './fronts.ts'
import { startLoad } from './load.ts'
import type { Load, LoadOptions, LoadResult } from './load.ts'
import { countByKind, place, Tally, traced } from './losses.ts'
import type { PlacedLoss } from './losses.ts'
import type { RequestProfile } from './profiles.ts'
import { startReplica } from './replicas.ts'
import type { Departure, Replica, ReplicaObserver, ServiceOptions } from './replicas.ts'
import { startStays } from './stays.ts'
import type { StayProfile, StaysOptions } from './stays.ts'
import { rollingUpdate } from './update.ts'
import type { UpdatePlan } from './update.ts'

/** What is sent: requests, and clients that stay. */
export interface Traffic {
  profiles: readonly RequestProfile[]
  stays?: readonly StayProfile[]
}

/** More load than that of the profiles. */
export type MoreLoad = (front: Front, tally: Tally) => { stop: () => Promise<unknown> }

/** The rehearsal of one update. */
export interface DrillOptions extends
  UpdatePlan, Partial<Traffic>, Pick<LoadOptions, 'rate' | 'idle' | 'timeout' | 'connections'> {
  /** What is sent, where only the first replica that is ready can tell; in place of `profiles` and `stays`. */
  readTraffic?: (replica: Replica) => Promise<Traffic>
  /** One for all, or that of a replica or its successor, by its index. */
  service: ServiceOptions | ((index: number, isSuccessor: boolean) => ServiceOptions)
  /** Replicas in service. @default defaults.replicas */
  replicas?: number
  /** How many of them are replaced. @default all of them; 0 for a load without an update */
  replace?: number
  /** Milliseconds of load before the first replacement. */
  warmUp: number
  /** Milliseconds of load after the last one. @default defaults.coolDown */
  coolDown?: number
  /** The names of a replica and of its successor, by their index. @default '1 old', '1 new', … */
  nameOf?: (index: number, isSuccessor: boolean) => string
  /** Where the replicas listen: for a front that has to know beforehand. @default a free port for each */
  ports?: readonly number[]
  /** @default a TCP balancer like kube-proxy */
  startFront?: (notice: Notice) => Promise<Front>
  moreLoad?: MoreLoad
  observer?: DrillObserver
}

/** Hears of a rehearsal, and of its replicas. */
export interface DrillObserver extends ReplicaObserver {
  /** Before the first replica is started. */
  begin?: (drill: DrillState) => void
  /** A replica was started. */
  started?: (replica: Replica) => void
  /** All is counted. The replicas that are left are killed next, which is no part of the rehearsal. */
  ended?: (drill: DrillState) => void
}

/** A rehearsal that is under way. Times are milliseconds since 1970. */
export interface DrillState {
  readonly tally: Tally
  /** In the order of their start, also those that have gone. */
  readonly replicas: Replica[]
  readonly front: Front
  readonly begunAt: number
  /** When the load began. */
  loadedAt?: number
  endedAt?: number
}

/** What was seen. */
export interface DrillResult extends DrillState, Omit<LoadResult, 'losses'> {
  losses: PlacedLoss[]
  /** How many were lost in each way; ways in which none was lost are absent. */
  byKind: ReturnType<typeof countByKind>
  departures: Departure[]
}

/** One rehearsal. */
class Drill {
  readonly #options: DrillOptions
  readonly #state: DrillState

  constructor (options: DrillOptions, front: Front) {
    this.#options = options
    this.#state = { tally: new Tally(), replicas: [], front, begunAt: Date.now() }
  }

  /** What the front has found out by itself. */
  noticed (name: string, isIn: boolean): void {
    const replica = this.#state.replicas.find((one) => one.name === name)
    if (replica === undefined) return
    replica.removedAt = isIn ? undefined : Date.now()
    this.#options.observer?.changed?.(replica, isIn ? 'back in rotation' : 'out of rotation')
  }

  async run (): Promise<DrillResult> {
    const { replicas = defaults.replicas, warmUp, coolDown = defaults.coolDown, moreLoad, observer } = this.#options
    const { front, tally } = this.#state
    observer?.begin?.(this.#state)
    const loads: Array<{ stop: () => Promise<unknown> }> = []
    try {
      const old = await this.#startAll(replicas)
      for (const replica of old) await front.add(replica)
      const { profiles = [], stays = [] } = await this.#options.readTraffic?.(old[0]!) ?? this.#options
      this.#state.loadedAt = Date.now()
      const load = this.#load(profiles)
      const staying = startStays({ ...this.#where(), stays })
      loads.push(load, staying)
      if (moreLoad !== undefined) loads.push(moreLoad(front, tally))
      await sleep(warmUp)
      load.enter('during')
      const departures = await this.#update(old)
      load.enter('after')
      await sleep(coolDown)
      const [seen, stayed] = await Promise.all([load.stop(), staying.stop(), ...loads.map((more) => more.stop())])
      this.#state.endedAt = Date.now()
      observer?.ended?.(this.#state)
      return this.#result({
        ...seen,
        requests: seen.requests + stayed.requests,
        connections: seen.connections + stayed.connections,
        losses: [...seen.losses, ...stayed.losses].toSorted((a, b) => a.failedAt - b.failedAt)
      }, departures)
    } finally {
      await Promise.all(loads.map((load) => load.stop()))
      for (const replica of this.#state.replicas) replica.kill('SIGKILL')
      await Promise.all(this.#state.replicas.map(({ exited }) => exited))
      await front.close()
    }
  }

  /** All have started or failed when it is over, so that each can be ended. */
  async #startAll (count: number): Promise<Replica[]> {
    const started = await Promise.allSettled(Array.from({ length: count }, (_, index) => this.#start(index, false)))
    return started.map((one) => {
      if (one.status === 'rejected') throw one.reason
      return one.value
    })
  }

  async #start (index: number, isSuccessor: boolean): Promise<Replica> {
    const { service: given, nameOf = nameByDefault, observer, inPlace = false, ports } = this.#options
    const service = typeof given === 'function' ? given(index, isSuccessor) : given
    const own = isSuccessor && !inPlace ? undefined : ports?.[index]
    const port = own ?? (inPlace ? this.#state.replicas.find(({ name }) => name === nameOf(index, false))?.port : own)
    const replica = await startReplica(nameOf(index, isSuccessor), service, observer, port)
    this.#state.replicas.push(replica)
    observer?.started?.(replica)
    await replica.ready()
    return replica
  }

  #load (profiles: readonly RequestProfile[]): Load {
    const { rate, idle, connections } = this.#options
    return startLoad({
      ...this.#where(), rate, profiles,
      ...idle === undefined ? {} : { idle },
      ...connections === undefined ? {} : { connections }
    })
  }

  /** The front, and what those who send to it have in common. */
  #where (): Pick<StaysOptions, 'host' | 'port' | 'tally' | 'trace' | 'timeout'> {
    const { front, tally } = this.#state
    const { timeout } = this.#options
    return {
      host: front.host,
      port: front.port,
      tally,
      trace: (localPort, at) => front.trace(localPort, at),
      ...timeout === undefined ? {} : { timeout }
    }
  }

  async #update (old: readonly Replica[]): Promise<Departure[]> {
    const { replace = old.length, observer } = this.#options
    return await rollingUpdate({
      ...this.#options,
      old: old.slice(0, replace),
      successor: (index) => this.#start(index, true),
      front: this.#state.front,
      ...observer === undefined ? {} : { observer }
    })
  }

  #result ({ losses: seen, ...load }: LoadResult, departures: Departure[]): DrillResult {
    const { front, replicas } = this.#state
    const losses = seen.map((loss) => {
      const isKnown = loss.replica !== undefined || loss.localPort === undefined
      return place(isKnown ? loss : traced(loss, front.trace(loss.localPort!, loss.failedAt)), replicas)
    })
    return { ...this.#state, ...load, losses, byKind: countByKind(losses), departures }
  }
}

function nameByDefault (index: number, isSuccessor: boolean): string {
  return `${index + 1} ${isSuccessor ? 'new' : 'old'}`
}

/**
 * Rehearses the update of a service: starts replicas, puts a front before them and load on it, and replaces them.
 * Rehearsals share nothing: several may run at a time.
 * @throws Error where a replica or the front does not start; losses are no error but the result
 */
export async function drill (options: DrillOptions): Promise<DrillResult> {
  const { startFront = () => startBalancer() } = options
  const front = await startFront(({ name }, isIn) => rehearsal.noticed(name, isIn))
  const rehearsal = new Drill(options, front)
  return await rehearsal.run()
}

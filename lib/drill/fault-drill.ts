import { setTimeout as sleep } from 'node:timers/promises'
import { defaults } from './defaults.ts'
import { DependencyProxy, readAddress } from './dependency.ts'
import { drill } from './drill.ts'
import type { DrillObserver, DrillOptions, DrillResult } from './drill.ts'
import { AgentLines, order } from './fault-agent.ts'
import type { BootFault, Order } from './fault-agent.ts'
import { FaultClients } from './fault-clients.ts'
import type { ClientOutcome } from './fault-clients.ts'
import { bootFailureCode, faults, faultTimes } from './faults.ts'
import type { FaultName, FaultRecord } from './faults.ts'
import type { RequestProfile } from './profiles.ts'
import type { Replica, ServiceOptions } from './replicas.ts'

/** What is planted. */
export interface FaultPlan {
  name: FaultName
  /** The variable that says where the dependency is, for `dependency-down`. */
  dependency?: string
}

/** The fault needs Node in the service's process, and nothing there has loaded what plants it. */
export class ImpossibleFault extends Error { override name = 'ImpossibleFault' }

/** Megabytes of the heap that is filled. */
const heapSize = 256
/** Milliseconds in which a process says whether it listens. */
const patience = 1000

const orders: Partial<Record<FaultName, Order>> = { hang: 'hang', crash: 'crash', oom: 'oom' }
const bootFaults: Partial<Record<FaultName, BootFault>> = {
  'slow-boot': { delay: faultTimes.slowBoot }, 'boot-failure': { exitCode: bootFailureCode }
}

/** The number of a replica by which its processes call. */
const numberOf = (index: number, isSuccessor: boolean): number => index * 2 + Number(isSuccessor)

/** One rehearsal with a fault. */
class FaultDrill {
  readonly #options: DrillOptions
  readonly #plan: FaultPlan
  readonly #lines = new AgentLines()
  readonly #clients: FaultClients | undefined
  readonly #timers = new Set<NodeJS.Timeout>()
  #proxy: DependencyProxy | undefined
  /** Plants it in the process that serves. */
  #plant: (() => void) | undefined
  #victim: Replica | undefined
  #at: number | undefined

  constructor (options: DrillOptions, plan: FaultPlan) {
    this.#options = options
    this.#plan = plan
    if (plan.name === 'slow-client' || plan.name === 'half-body') {
      this.#clients = new FaultClients(plan.name === 'half-body')
    }
  }

  async run (): Promise<{ result: DrillResult, fault: FaultRecord }> {
    const { observer = {}, moreLoad, replicas = defaults.replicas } = this.#options
    await this.#lines.listen()
    try {
      const clients: ClientOutcome[] = []
      const result = await drill({
        ...this.#options,
        service: (index, isSuccessor) => this.#service(index, isSuccessor),
        moreLoad: (front, tally) => {
          const more = moreLoad?.(front, tally)
          this.#clients?.open(front, this.#profile(), replicas)
          return { stop: async () => [await more?.stop(), clients.splice(0, Infinity, ...await this.#stopClients())] }
        },
        beforeEnd: (replica, index) => this.#beforeEnd(replica, index),
        endsWhere: (error) => this.#plan.name === 'boot-failure' && !(error instanceof ImpossibleFault),
        observer: observers([observer, { changed: (replica, what) => this.#changed(replica, what) }])
      })
      return { result, fault: this.#judge(result, clients) }
    } finally {
      for (const timer of this.#timers) clearTimeout(timer)
      this.#lines.close()
      this.#proxy?.close()
    }
  }

  async #stopClients (): Promise<ClientOutcome[]> {
    return await this.#clients?.stop() ?? []
  }

  /** The request that clients in the way send. */
  #profile (): RequestProfile {
    const { profiles = [] } = this.#options
    const isFit = this.#plan.name === 'half-body' ? profiles.find(({ body }) => body !== undefined) : undefined
    return isFit ?? profiles[0] ?? { name: 'GET /', path: '/' }
  }

  #service (index: number, isSuccessor: boolean): ServiceOptions {
    const { service: given } = this.#options
    const { name, dependency } = this.#plan
    const service = typeof given === 'function' ? given(index, isSuccessor) : given
    const env = { ...service.env ?? process.env }
    if (dependency !== undefined && this.#proxy !== undefined) {
      env[dependency] = readAddress(env[dependency] ?? '')?.withPort(this.#proxy.host, this.#proxy.port)
    }
    if (!faults[name].needsNode) return { ...service, env }
    if (isSuccessor && !this.#lines.knows(numberOf(0, false))) throw new ImpossibleFault(impossible(name))
    if (isSuccessor && bootFaults[name] !== undefined) this.#at ??= Date.now()
    const own = this.#lines.nodeOptions(numberOf(index, isSuccessor), isSuccessor ? bootFaults[name] : undefined)
    const heap = name === 'oom' && index === 0 && !isSuccessor ? `--max-old-space-size=${heapSize}` : ''
    env['NODE_OPTIONS'] = [env['NODE_OPTIONS'], own, heap].filter(Boolean).join(' ')
    return { ...service, env }
  }

  async #beforeEnd (replica: Replica, index: number): Promise<void> {
    if (index !== 0) return
    this.#victim = replica
    const what = orders[this.#plan.name]
    const socket = what && await this.#lines.serving(numberOf(index, false), patience)
    if (what === undefined || socket === undefined) return
    this.#plant = () => {
      if (replica.exit !== undefined) return
      this.#at = Date.now()
      order(socket, what)
    }
    if (what !== 'hang') return
    this.#plant()
    await sleep(faultTimes.beforeSignal)
  }

  #changed (replica: Replica, what: string): void {
    const { name } = this.#plan
    if (what !== 'signalled') return
    if (replica === this.#victim && name !== 'hang') this.#after(faultTimes.afterSignal, () => this.#plant?.())
    if (name === 'second-signal') this.#after(faultTimes.afterSignal, () => this.#signalAgain(replica))
    this.#after(faultTimes.slowRead, () => this.#clients?.read(replica.name))
    if (name === 'dependency-down' && this.#at === undefined) this.#cut()
  }

  #signalAgain (replica: Replica): void {
    if (replica.exit !== undefined) return
    this.#at ??= Date.now()
    replica.kill('SIGTERM')
  }

  #cut (): void {
    this.#at = Date.now()
    this.#proxy?.turn(true)
    this.#after(faultTimes.outage, () => this.#proxy?.turn(false))
  }

  #after (delay: number, act: () => void): void {
    this.#timers.add(setTimeout(act, delay))
  }

  #judge (result: DrillResult, clients: readonly ClientOutcome[]): FaultRecord {
    const { name } = this.#plan
    const usesPlugin = result.replicas.some(({ log, report }) =>
      report !== undefined || log.some(({ event }) => String(event).startsWith('graceful.')))
    const victim = this.#victim ?? result.replicas[0]!
    const at = this.#clients === undefined ? this.#at : result.loadedAt
    const successors = result.replicas.slice(this.#options.replicas ?? defaults.replicas)
    const expectations = faults[name].judge({ result, usesPlugin, victim, successors, clients })
    const isOfOne = orders[name] !== undefined
    // A second signal for who has gone by then is none.
    if (at === undefined && isOfOne) {
      expectations.push({ expected: 'the fault happens', seen: 'the replica had gone by then', met: false })
    }
    return {
      at, usesPlugin, expectations,
      replica: isOfOne ? victim.name : undefined,
      met: expectations.every(({ met }) => met)
    }
  }

  /** Opens the way to the dependency. */
  async openProxy (): Promise<void> {
    const { dependency } = this.#plan
    if (dependency === undefined) return
    const { service } = this.#options
    const { env = process.env } = typeof service === 'function' ? service(0, false) : service
    const address = readAddress(env[dependency] ?? '')
    if (address === undefined) throw new ImpossibleFault(`${dependency} holds neither a URL nor a host and a port`)
    this.#proxy = new DependencyProxy(address)
    await this.#proxy.listen()
  }
}

function impossible (name: FaultName): string {
  const others = Object.entries(faults).filter(([, { needsNode }]) => !needsNode).map(([other]) => other).join(', ')
  return `fault ${name} needs a service that Node runs with NODE_OPTIONS, and no process of it does; ` +
    `possible with any command: ${others}`
}

/**
 * Rehearses an update in which something goes wrong.
 * @throws ImpossibleFault where the service is none that can have this fault; Error as `drill` does
 */
export async function drillWithFault (
  options: DrillOptions, plan: FaultPlan
): Promise<{ result: DrillResult, fault: FaultRecord }> {
  const rehearsal = new FaultDrill(options, plan)
  await rehearsal.openProxy()
  return await rehearsal.run()
}

/** One observer that tells all of them, in their order. */
export function observers (all: readonly DrillObserver[]): DrillObserver {
  return {
    begin: (state) => all.forEach((one) => one.begin?.(state)),
    started: (replica) => all.forEach((one) => one.started?.(replica)),
    changed: (replica, what) => all.forEach((one) => one.changed?.(replica, what)),
    line: (replica, line) => all.forEach((one) => one.line?.(replica, line)),
    ended: (state) => all.forEach((one) => one.ended?.(state))
  }
}

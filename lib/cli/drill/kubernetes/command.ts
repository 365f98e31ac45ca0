import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DrillRecord, RunRecord } from '../../../drill/index.ts'
import { messageOf } from '../../../errors.ts'
import { duration } from '../../../status/words.ts'
import { counted } from '../../../util/text.ts'
import { printable } from '../../printable.ts'
import type { Summary } from '../../report/summary.ts'
import { UsageError } from '../../usage.ts'
import { wrong } from '../option.ts'
import type { Given } from '../option.ts'
import { concludeFailure, show } from '../output/conclude.ts'
import { Outputs } from '../output/outputs.ts'
import type { GivenAdvice } from '../output/result.ts'
import { isPassed } from '../output/words.ts'
import { exitCodeOf } from '../settings.ts'
import { jobOf } from './job.ts'
import { checkVersion, findPlace, Kubectl, productionSign } from './kubectl.ts'
import { Loader } from './loader.ts'
import type { Place } from './kubectl.ts'
import { checkRights, printedRole } from './rights.ts'
import { bounds, readClusterPlan } from './settings.ts'
import type { ClusterPlan } from './settings.ts'
import { findService, findTarget } from './target.ts'
import type { Goal, Target } from './target.ts'
import { Updates } from './update.ts'

/** Milliseconds for a result to come, beyond those of one answer. */
const patienceForResult = 20_000

function complain (text: string): void {
  process.stderr.write(`${text.split('\n').map(printable).join('\n')}\n`)
}

/** One drill in a cluster. */
class ClusterDrill {
  readonly #plan: ClusterPlan
  readonly #print: (line: string) => void
  readonly #signal: AbortSignal
  readonly #begunAt = Date.now()
  /** Nothing is begun any more. */
  readonly #over = new AbortController()
  #loader: Loader | undefined
  #updates: Updates | undefined

  constructor (plan: ClusterPlan, print: (line: string) => void, signal: AbortSignal) {
    this.#plan = plan
    this.#print = print
    this.#signal = AbortSignal.any([signal, this.#over.signal])
    // Each command of kubectl hears of it.
    setMaxListeners(0, this.#signal)
  }

  /** What is left of it in the cluster, as the command that removes it; undefined where there is nothing. */
  get remover (): string | undefined { return this.#loader?.remover }

  /** @throws KubectlError where it cannot be run, UsageError where it must not be */
  async run (): Promise<{ record: DrillRecord, advice: GivenAdvice[] }> {
    const { deployment, given } = this.#plan
    const { kubectl, place } = await this.#enter()
    await checkRights(kubectl, deployment, this.#signal)
    const target = await findTarget(kubectl, deployment, given.text('container'), this.#signal)
    const where = { namespace: place.namespace, signal: this.#signal }
    const goal = await findService(kubectl, target.labels, given.text('service'), where)
    for (const note of target.notes) this.#print(note)
    const said = (name: string, what: string): void => this.#print(`${this.#time()}  pod ${name}  ${what}`)
    this.#updates = new Updates(kubectl, target, said)
    const sample = await this.#updates.watch(this.#signal)
    const { warmUp, updates, within, coolDown, load: { timeout } } = this.#plan
    const lasting = warmUp + updates * (within + target.grace + 60_000) + coolDown + 30_000
    if (lasting > bounds.duration) {
      throw wrong(`${updates} updates of ${within / 1000} s may take longer than an hour: lower --updates or --within`)
    }
    const mark = randomBytes(4).toString('hex')
    this.#loader = new Loader(kubectl, mark)
    const node = given.text('node')
    const job = jobOf({ mark, target, sample, url: goal.url, duration: lasting, timeout, node, given })
    await this.#loader.start(job, this.#plan.boot, this.#signal)
    this.#print(`${this.#time()}  load on service ${goal.name}`)
    const run = await this.#rehearse(this.#loader, this.#updates)
    return this.#conclude(run, { place, target, goal })
  }

  /** Ends what goes on, and removes the Job. @throws KubectlError where it is still there */
  async close (): Promise<void> {
    this.#over.abort()
    this.#updates?.close()
    this.#loader?.close()
    await this.#loader?.remove()
  }

  async #enter (): Promise<{ kubectl: Kubectl, place: Place }> {
    const { context, namespace, program, isAllowed } = this.#plan
    const global = context === undefined ? [] : [`--context=${context}`]
    const plain = new Kubectl(program, global)
    const versions = await checkVersion(plain, this.#signal)
    const found = await findPlace(plain, namespace, this.#signal)
    const place = found ?? { context: '', cluster: '', server: '', namespace: namespace ?? 'default' }
    const sign = found === undefined ? 'kubectl has no context that names the cluster' : productionSign(place)
    if (sign !== undefined && !isAllowed) {
      throw wrong(`${sign}: where this is not what serves your users, or you mean it, add --yes`)
    }
    this.#print(`${versions}, context ${place.context || 'none'}, namespace ${place.namespace}`)
    return { kubectl: new Kubectl(program, [...global, `--namespace=${place.namespace}`]), place }
  }

  async #rehearse (loader: Loader, updates: Updates): Promise<RunRecord> {
    const { warmUp, coolDown, within, load: { timeout } } = this.#plan
    const steps = async (): Promise<void> => {
      await sleep(warmUp, undefined, { signal: this.#signal })
      for (let count = 0; count < this.#plan.updates; count++) {
        this.#print(`${this.#time()}  rollout restart ${count + 1} of ${this.#plan.updates}`)
        await updates.restart(within, this.#signal)
        this.#print(`${this.#time()}  updated: ${loader.requests} requests, ${loader.lost} lost so far`)
      }
      await sleep(coolDown, undefined, { signal: this.#signal })
    }
    const stepping = steps()
    // It is over, too, where the load has failed.
    stepping.catch(() => {})
    await Promise.race([stepping, loader.failed])
    return await loader.finish(timeout + patienceForResult)
  }

  #conclude (
    run: RunRecord, { place, target, goal }: { place: Place, target: Target, goal: Goal }
  ): { record: DrillRecord, advice: GivenAdvice[] } {
    const { deployment, load: { rate }, maxLost } = this.#plan
    const updates = this.#updates!
    const replicas = updates.pods.all.map((pod) => pod.record(target.grace))
    const signals = replicas.flatMap(({ signalledAt }) => signalledAt ?? [])
    const losses = run.losses.map((loss) => {
      const last = signals.filter((at) => at <= loss.failedAt)
      return last.length === 0 ? loss : { ...loss, sinceSignal: loss.failedAt - Math.max(...last) }
    })
    const begunAt = Math.min(this.#begunAt, run.begunAt)
    return {
      record: {
        version: 1, service: `deployment/${deployment} in ${place.namespace}`, front: `service ${goal.name}`,
        fault: undefined, replicas: target.replicas, grace: target.grace, rate, maxLost,
        runs: [{ ...run, begunAt, losses, replicas }]
      },
      advice: adviceOf(updates.summary(), run.lost)
    }
  }

  #time (): string {
    return `${((Date.now() - this.#begunAt) / 1000).toFixed(1).padStart(6)} s`
  }
}

/** `fastify-graceful drill --kubernetes`, and its `--print-rbac`. */
export async function drillInCluster (given: Given): Promise<void> {
  if (given.has('print-rbac')) {
    const named = /^(?:deployment(?:s|\.apps)?|deploy)\/(.+)$/.exec(given.text('kubernetes') ?? '')?.[1]
    process.stdout.write(printedRole(given.text('namespace') ?? 'default', named))
    return
  }
  const plan = readClusterPlan(given)
  const outputs = new Outputs(plan.output)
  process.stdout.on('error', () => process.exit())
  const stop = new AbortController()
  const drill = new ClusterDrill(plan, (line) => { outputs.text.write(`${printable(line)}\n`) }, stop.signal)
  const leave = (): void => {
    const { remover } = drill
    if (remover !== undefined) complain(`The Job is still there, and ends by itself. What removes it:\n${remover}`)
  }
  let interrupted: NodeJS.Signals | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (interrupted !== undefined) {
        leave()
        process.exit(exitCodeOf(signal))
      }
      interrupted = signal
      complain(`${signal}: cleaning up; the same again ends at once`)
      stop.abort()
    })
  }
  let failure: unknown
  try {
    const { record, advice } = await drill.run()
    process.exitCode = isPassed(record) ? 0 : 1
    show({ record, advice, trial: undefined }, outputs)
  } catch (error) {
    failure = error
  }
  try {
    await drill.close()
  } catch (error) {
    complain(messageOf(error))
    leave()
  }
  if (interrupted !== undefined) process.exit(exitCodeOf(interrupted))
  if (failure instanceof UsageError) throw failure
  if (failure === undefined) return
  concludeFailure(messageOf(failure), { label: `deployment/${plan.deployment}` }, outputs)
  complain(messageOf(failure))
  process.exitCode = 2
}

/** What the logs of a rollout advise, as a drill does: which loss each would have saved nobody can say of a cluster. */
export function adviceOf ({ advice: { values, others }, reports }: Summary, lost: number): GivenAdvice[] {
  const ofReports = { cause: 'report' as const, saves: undefined }
  return [
    ...values.map(({ option, value, variable, chart, isEnough, causes }) => ({
      ...ofReports,
      action: `Set ${option} to ${isEnough ? '' : 'at least '}${duration(value)}`,
      because: causes.map((cause) => `${counted(cause.reports, 'end')}: ${cause.text}`).join('; '),
      settings: [{ option, value, variable, chart }]
    })),
    ...others.map(({ text, reports: ends }) => ({
      ...ofReports, action: text, because: counted(ends, 'end'), settings: []
    })),
    ...lost === 0 || reports > 0 ? [] : [{
      cause: 'plugin' as const, saves: undefined, settings: [],
      action: 'Register the plugin, before everything else, and log at level info: await app.register(graceful)',
      because: 'no pod has left a report in its log'
    }]
  ]
}

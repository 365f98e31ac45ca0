import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint } from '../../../lib/drill/fronts.ts'
import type { LogLine } from '../../../lib/drill/processes.ts'
import { claimPort } from '../../../lib/drill/processes.ts'
import { measureDelay } from '../../support/delay.ts'
import { readTail, startContainer } from './container.ts'
import type { Exit, RunningContainer } from './container.ts'
import { environmentOf, expand, secretOf } from './environment.ts'
import { runPreStop } from './hook.ts'
import type { HookRecord } from './hook.ts'
import type { Image } from './image.ts'
import { onlyContainer } from './manifest.ts'
import type { Container, Manifest } from './manifest.ts'
import { Prober } from './prober.ts'
import type { ProbeKind, ProbeRecord } from './prober.ts'

/** Seconds that a process has after SIGTERM at the least, whatever its preStop hook has taken. */
const minimumGrace = 2

/** How a pod went. */
export interface Departure {
  name: string
  /** Epoch ms. */
  deletedAt: number
  /** Ms from the deletion to the end of the process. */
  took: number
  /** Ms of these in which its main thread waited for a processor. The grace period is as much longer. */
  waited: number
  code: number | null
  signal: NodeJS.Signals | null
  preStop: HookRecord | undefined
  /** Seconds from SIGTERM to SIGKILL. */
  graceAfterSignal: number
  /** Whether the grace period was over before the process was. */
  wasKilled: boolean
  /** What the process left at `terminationMessagePath`. */
  message: string
  /** Probes that were answered, or failed, since the deletion. */
  probes: ProbeRecord[]
  /** What the log said that was not of a request. */
  log: LogLine[]
}

/** What a pod is made of. */
export interface PodOptions {
  name: string
  manifest: Manifest
  image: Image
  /** Told whenever readiness has changed, and once when the pod is deleted. */
  onChange?: (pod: Pod) => void
}

/** One pod of a Deployment: a process on this machine. It is started once; a container that ends is not restarted. */
export class Pod implements Endpoint {
  readonly name: string
  readonly host = '127.0.0.1'
  /** The port of this machine that the container's first port is. */
  readonly port: number
  /** All probes, oldest first. */
  readonly probes: ProbeRecord[] = []
  /** What would have made a kubelet restart the container. */
  readonly restarts: string[] = []
  isReady = false
  isStarted = false
  isDeleted = false
  readonly #options: PodOptions
  readonly #spec: Container
  readonly #grace: number
  readonly #folder: string
  readonly #ports: Map<number, number>
  readonly #env: Record<string, string>
  readonly #running: RunningContainer
  readonly #probers: Map<ProbeKind, Prober>
  #deletion: Promise<Departure> | undefined

  private constructor (options: PodOptions, ports: Map<number, number>) {
    const { spec } = options.manifest.deployment.spec.template
    this.#options = options
    this.name = options.name
    this.#spec = onlyContainer(spec)
    this.#grace = spec.terminationGracePeriodSeconds ?? 30
    this.#ports = ports
    this.port = [...ports.values()][0]!
    this.#folder = mkdtempSync(join(tmpdir(), 'pod-'))
    this.#env = environmentOf(
      options.manifest,
      { podName: options.name, image: options.image, ports, paths: this.#mount() }
    )
    const { image } = options
    const { command = image.entrypoint, args = this.#spec.command === undefined ? image.command : [] } = this.#spec
    this.#running = startContainer({
      command: [...command, ...args].map((part) => expand(part, this.#env)),
      folder: image.folder,
      env: this.#env
    })
    this.#probers = this.#probe()
    void this.#running.exited.then(() => this.#ended())
  }

  /** Starts a pod. @throws Error where its specification asks for something that this kubelet does not know */
  static async start (options: PodOptions): Promise<Pod> {
    const { ports = [] } = onlyContainer(options.manifest.deployment.spec.template.spec)
    const here = new Map<number, number>()
    for (const { containerPort } of ports) here.set(containerPort, await claimPort())
    return new Pod(options, here)
  }

  get log (): LogLine[] {
    return this.#running.log
  }

  /** How the process ended. */
  get exited (): Promise<Exit> {
    return this.#running.exited
  }

  /** Waits for readiness. @throws Error with the pod's own output where it takes more than 30 s, or the process ends */
  async untilReady (): Promise<void> {
    const until = Date.now() + 30_000
    while (!this.isReady) {
      const hasEnded = await Promise.race([this.exited.then(() => true), sleep(25, false)])
      if (this.isReady) return
      if (hasEnded || Date.now() > until) {
        throw new Error(
          `${this.name} did not become ready: ${JSON.stringify({ probes: this.probes.slice(-3), log: this.log })}`
        )
      }
    }
  }

  /**
   * Ends the pod as the kubelet does when it has been deleted. A second call joins the first.
   *
   * @param grace seconds, as `kubectl delete --grace-period` gives them; the pod's own by default
   */
  delete (grace = this.#grace): Promise<Departure> {
    this.#deletion ??= this.#delete(grace)
    return this.#deletion
  }

  /** Ends the process at once, for the end of a test. */
  async destroy (): Promise<void> {
    this.#running.kill('SIGKILL')
    await this.exited
    await this.#deletion
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The container's files and folders of its own: its termination message, its empty volumes, and Secrets as files. */
  #mount (): Map<string, string> {
    const paths = new Map<string, string>()
    const { volumes = [] } = this.#options.manifest.deployment.spec.template.spec
    for (const { name, mountPath } of this.#spec.volumeMounts ?? []) {
      const { emptyDir, secret } = volumes.find((volume) => volume.name === name) ?? {}
      if (emptyDir === undefined && secret === undefined) continue
      const folder = join(this.#folder, name)
      mkdirSync(folder)
      for (const { key, path } of secret?.items ?? []) {
        const content = secretOf({ name: secret?.secretName ?? '', key }, this.#options.manifest) ?? ''
        writeFileSync(join(folder, path), content, { mode: secret?.defaultMode ?? 0o644 })
      }
      paths.set(mountPath, folder)
    }
    writeFileSync(this.#messageFile, '')
    return paths.set(this.#spec.terminationMessagePath ?? '/dev/termination-log', this.#messageFile)
  }

  get #messageFile (): string {
    return join(this.#folder, 'termination-log')
  }

  #probe (): Map<ProbeKind, Prober> {
    const { startupProbe, livenessProbe, readinessProbe } = this.#spec
    const ports = {
      portOf: this.#portOf,
      isDue: (kind: ProbeKind) => (kind === 'startup') !== this.isStarted,
      record: (probe: ProbeRecord) => { this.probes.push(probe) },
      tell: this.#judge
    }
    const probers = new Map<ProbeKind, Prober>()
    // Without a startup probe a container is started as soon as it runs; without a readiness probe it is ready then.
    this.isStarted = startupProbe === undefined
    this.isReady = this.isStarted && readinessProbe === undefined
    for (const [kind, spec] of [
      ['startup', startupProbe],
      ['liveness', livenessProbe],
      ['readiness', readinessProbe]
    ] as const) {
      if (spec !== undefined) probers.set(kind, new Prober(kind, spec, ports))
    }
    return probers
  }

  readonly #portOf = (port: number | string): number => {
    const found = this.#spec.ports?.find(({ name, containerPort }) => name === port || containerPort === port)
    if (found === undefined) throw new Error(`the container has no port ${port}`)
    return this.#ports.get(found.containerPort)!
  }

  readonly #judge = (kind: ProbeKind, isGood: boolean): void => {
    if (kind === 'readiness') {
      this.#setReady(isGood)
    } else if (!isGood) {
      this.restarts.push(
        `the ${kind} probe failed: ${JSON.stringify(this.probes.findLast((probe) => probe.kind === kind))}`
      )
      this.#probers.get(kind)?.stop()
    } else if (kind === 'startup') {
      this.isStarted = true
      this.#probers.get('startup')?.stop()
      this.#probers.get('readiness')?.trigger()
      if (!this.#probers.has('readiness')) this.#setReady(true)
    }
  }

  #setReady (isReady: boolean): void {
    if (this.isReady === isReady) return
    this.isReady = isReady
    this.#options.onChange?.(this)
  }

  #ended (): void {
    for (const prober of this.#probers.values()) prober.stop()
    if (!this.isDeleted) this.restarts.push('the process ended by itself')
    this.#setReady(false)
  }

  async #delete (grace: number): Promise<Departure> {
    const deletedAt = Date.now()
    const delay = measureDelay(this.#running.pid, { isOfMainThread: true })
    this.isDeleted = true
    this.#options.onChange?.(this)
    // Readiness goes on being probed while the pod ends.
    this.#probers.get('startup')?.stop()
    this.#probers.get('liveness')?.stop()
    const hook = this.#spec.lifecycle?.preStop
    const preStop = hook === undefined || grace === 0
      ? undefined
      : await runPreStop(hook, grace, { portOf: this.#portOf, folder: this.#options.image.folder, env: this.#env })
    const graceAfterSignal = Math.max(minimumGrace, grace - (preStop?.subtracted ?? 0))
    this.#running.kill('SIGTERM')
    let wasKilled = false
    const callOff = delay.timeout(graceAfterSignal * 1000, () => {
      wasKilled = true
      this.#running.kill('SIGKILL')
    })
    const { code, signal, at } = await this.exited
    callOff()
    delay.stop()
    return {
      name: this.name,
      deletedAt,
      took: at - deletedAt,
      waited: delay.total,
      code,
      signal,
      preStop,
      graceAfterSignal,
      wasKilled,
      message: readTail(this.#messageFile),
      probes: this.probes.filter(({ at, took }) => at + took >= deletedAt),
      log: this.log
    }
  }
}

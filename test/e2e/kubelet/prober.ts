import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpGet, ProbeSpec } from './manifest.ts'

/** The version that this kubelet gives for its own. */
const version = '1.34'
/** A kubelet reads no more of a probe's answer. */
const longestBody = 10 * 1024

/** The three probes of a container. */
export type ProbeKind = 'startup' | 'liveness' | 'readiness'

/** One call of a probe. */
export interface ProbeRecord {
  kind: ProbeKind
  /** Epoch ms at which it was sent. */
  at: number
  /** The status, or why there was none. */
  outcome: number | string
  /** Ms until the answer, or until it failed. */
  took: number
}

/** What an `httpGet` of a probe or a hook needs beyond its own words. */
export interface HttpTarget {
  /** Finds the port of this machine that a port of the pod is. */
  portOf: (port: number | string) => number
  agent: 'kube-probe' | 'kube-lifecycle'
  /** Ms for all of it, from connecting to the last byte. */
  timeout: number
}

/**
 * The kubelet's GET: a connection of its own, no more headers than these. Settles with the status, or with why there
 * is none; never rejects. What a redirect leads to is not asked: health routes give none.
 */
export function httpGet (spec: HttpGet, { portOf, agent, timeout }: HttpTarget): Promise<number | string> {
  const given = Object.fromEntries((spec.httpHeaders ?? []).map(({ name, value }) => [name, value]))
  return new Promise((resolve) => {
    const request = get({
      host: '127.0.0.1',
      port: portOf(spec.port),
      path: spec.path ?? '/',
      agent: false,
      headers: { 'user-agent': `${agent}/${version}`, accept: '*/*', connection: 'close', ...given }
    }, (response) => {
      let bytes = 0
      const answer = (): void => resolve(response.statusCode!)
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= longestBody) return
        answer()
        request.destroy()
      })
      response.on('end', answer)
      response.on('error', (error) => resolve(error.message))
    })
    const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeout} ms`)), timeout)
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    request.on('close', () => clearTimeout(timer))
  })
}

/** What a probe's worker asks and tells. */
export interface ProberPorts {
  portOf: (port: number | string) => number
  /** Whether this probe is asked now: the other two wait for startup, which is over when it has succeeded. */
  isDue: (kind: ProbeKind) => boolean
  /** A result that has come often enough to count. */
  tell: (kind: ProbeKind, isGood: boolean) => void
  record: (probe: ProbeRecord) => void
}

/** One probe's worker, as in the kubelet's `prober/worker.go`. */
export class Prober {
  readonly #kind: ProbeKind
  readonly #spec: ProbeSpec & { httpGet: HttpGet }
  readonly #ports: ProberPorts
  readonly #stopped = new AbortController()
  #wake = new AbortController()
  #last: boolean | undefined
  #run = 0

  constructor (kind: ProbeKind, spec: ProbeSpec, ports: ProberPorts) {
    if (spec.httpGet === undefined) throw new Error(`the ${kind} probe has no httpGet`)
    this.#kind = kind
    this.#spec = { ...spec, httpGet: spec.httpGet }
    this.#ports = ports
    void this.#work()
  }

  /** Probes now, and then in the usual period: what the kubelet does with readiness when startup has succeeded. */
  trigger (): void {
    this.#wake.abort()
  }

  stop (): void {
    this.#stopped.abort()
    this.#wake.abort()
  }

  async #work (): Promise<void> {
    const { initialDelaySeconds = 0, periodSeconds = 10 } = this.#spec
    await this.#wait(initialDelaySeconds * 1000)
    let tick = performance.now()
    while (!this.#stopped.signal.aborted) {
      if (this.#ports.isDue(this.#kind)) await this.#probe()
      // A ticker: a slow probe does not move the next ones, it drops those that fall into it.
      while (tick <= performance.now()) tick += periodSeconds * 1000
      if (await this.#wait(tick - performance.now())) tick = performance.now()
    }
  }

  /** Whether it was woken. */
  async #wait (ms: number): Promise<boolean> {
    await sleep(ms, undefined, { signal: this.#wake.signal }).catch(() => {})
    const isWoken = this.#wake.signal.aborted
    if (isWoken && !this.#stopped.signal.aborted) this.#wake = new AbortController()
    return isWoken
  }

  async #probe (): Promise<void> {
    const { timeoutSeconds = 1, successThreshold = 1, failureThreshold = 3 } = this.#spec
    const at = Date.now()
    const outcome = await httpGet(this.#spec.httpGet, {
      portOf: this.#ports.portOf,
      agent: 'kube-probe',
      timeout: timeoutSeconds * 1000
    })
    if (this.#stopped.signal.aborted) return
    this.#ports.record({ kind: this.#kind, at, outcome, took: Date.now() - at })
    const isGood = typeof outcome === 'number' && outcome >= 200 && outcome < 400
    this.#run = isGood === this.#last ? this.#run + 1 : 1
    this.#last = isGood
    if (this.#run >= (isGood ? successThreshold : failureThreshold)) this.#ports.tell(this.#kind, isGood)
  }
}

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endWithUs, startBalancer, startReplica } from '../../../lib/drill/index.ts'
import type { Front } from '../../../lib/drill/index.ts'
import { FakePod, labels, podSpec } from './pod.ts'
import type { Ending } from './pod.ts'

/** What a test makes of the cluster. */
export interface ClusterOptions {
  /** The service of each pod: what follows `node`. */
  service: string[]
  env?: NodeJS.ProcessEnv
  replicas?: number
  /** Milliseconds until the Service sends nothing new to a pod that ends. */
  lag?: number
  context?: { name: string, cluster: string, server: string, namespace?: string }
  /** Rights that nobody has: `create jobs.batch`. */
  denied?: string[]
  services?: object[]
  deployment?: { replicas?: number, paused?: boolean, busy?: boolean, strategy?: string }
  /** What keeps the Job from starting; `none`: it gets no pod. */
  job?: { reason: string, message: string } | 'none' | 'no package'
  /** New pods never start. */
  isStuck?: boolean
  ending?: Ending
  /** How long making a Job takes. */
  creating?: number
  /** Called with each command before it is answered. */
  asked?: (args: string[]) => void
}

type Say = (answer: { out?: string, err?: string, exit?: number }) => void

const root = fileURLToPath(new URL('../../..', import.meta.url))
const list = (items: object[]): string =>
  `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items, metadata: { resourceVersion: '' } }, undefined, 4)}\n`
const pretty = (object: object): string => `${JSON.stringify(object, undefined, 4)}\n`
const usualService = {
  apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop', namespace: 'shop' },
  spec: {
    type: 'ClusterIP', clusterIP: '10.96.0.20', selector: { 'app.kubernetes.io/name': 'shop' },
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'http' }]
  }
}

/** A cluster with one deployment: its pods are processes here, behind a balancer, and its Job is one, too. */
export class FakeCluster {
  /** The manifests that were made, and the commands that were run. */
  readonly jobs: Array<{ metadata: { name: string, labels: Record<string, string> }, spec: Record<string, unknown> }> = []
  readonly asked: string[][] = []
  readonly deleted: string[] = []
  readonly #options: ClusterOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'graceful-cluster-'))
  readonly #server: Server
  readonly #pods: FakePod[] = []
  readonly #watchers = new Set<Say>()
  readonly #sockets = new Set<Socket>()
  #front: Front | undefined
  #jobPod: FakePod | undefined
  #load: ChildProcess | undefined
  #rollout: Promise<void> = Promise.resolve()
  #count = 0

  constructor (options: ClusterOptions) {
    this.#options = options
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
      // Who asked may be gone already.
      createInterface({ input: socket }).on('error', () => {})
        .once('line', (line) => { void this.#answer(line, socket) })
    })
  }

  /** Where the program that stands for kubectl finds it. */
  get address (): string { return join(this.#folder, 'cluster.sock') }

  /** Whether the load of a Job still runs. */
  get isLoaded (): boolean { return this.#load !== undefined && this.#load.exitCode === null && this.#load.signalCode === null }

  /** Ends the load as the kernel does that is out of memory. */
  killLoad (): void { this.#load?.kill('SIGKILL') }

  async start (): Promise<this> {
    mkdirSync(join(this.#folder, 'node_modules'))
    symlinkSync(root, join(this.#folder, 'node_modules', 'fastify-graceful'))
    await new Promise<void>((resolve) => { this.#server.listen(this.address, resolve) })
    this.#front = await startBalancer()
    await Promise.all(Array.from({ length: this.#options.replicas ?? 2 }, () => this.#startPod()))
    return this
  }

  async stop (): Promise<void> {
    this.#load?.kill('SIGKILL')
    await this.#rollout.catch(() => {})
    for (const pod of this.#pods) pod.replica?.kill('SIGKILL')
    await Promise.all(this.#pods.flatMap((pod) => pod.replica?.exited ?? []))
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await this.#front?.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startPod (): Promise<void> {
    const pod = new FakePod(`shop-7d9f-${String.fromCodePoint(97 + this.#count++)}`)
    this.#pods.push(pod)
    this.#tell('ADDED', pod)
    const { service, env } = this.#options
    pod.replica = await startReplica(pod.name, { command: [process.execPath, ...service], env: { ...process.env, ...env } }, {
      line: (_replica, line) => pod.say(line.event === 'output' ? String(line.msg) : JSON.stringify(line))
    })
    pod.waiting = undefined
    await pod.replica.ready()
    pod.readyAt = Date.now()
    this.#tell('MODIFIED', pod)
    await this.#front!.add(pod.replica)
  }

  async #endPod (pod: FakePod): Promise<void> {
    pod.deletedAt = Date.now()
    pod.ending = this.#options.ending ?? {}
    this.#tell('MODIFIED', pod)
    const out = sleep(this.#options.lag ?? 200).then(() => this.#front!.remove(pod.replica!))
    const { code, signal } = await pod.replica!.terminate(30_000)
    await out
    pod.finish(code ?? (signal === 'SIGKILL' ? 137 : 143))
    this.#tell('MODIFIED', pod)
    this.#pods.splice(this.#pods.indexOf(pod), 1)
    this.#tell('DELETED', pod)
  }

  async #restart (): Promise<void> {
    const old = this.#pods.filter((pod) => pod.deletedAt === undefined)
    if (this.#options.isStuck === true) {
      const pod = new FakePod('shop-8c1a-stuck')
      pod.waiting = { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container=app' }
      this.#pods.push(pod)
      return this.#tell('ADDED', pod)
    }
    const ends: Array<Promise<void>> = []
    for (const pod of old) {
      await this.#startPod()
      ends.push(this.#endPod(pod))
    }
    void Promise.all(ends)
  }

  #tell (type: string, pod: FakePod): void {
    for (const say of this.#watchers) say({ out: `${JSON.stringify({ type, object: pod.object })}\n` })
  }

  async #answer (line: string, socket: Socket): Promise<void> {
    const { args, input } = JSON.parse(line) as { args: string[], input: string }
    const say: Say = (answer) => { if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`) }
    this.asked.push(args)
    this.#options.asked?.(args)
    const plain = args.filter((one) => !/^--(?:context|namespace)=/.test(one))
    const [verb = '', noun = '', name = ''] = plain
    const ok = (out: string): void => say({ out, exit: 0 })
    const no = (err: string, out = ''): void => say({ err, out, exit: 1 })
    switch (`${verb} ${noun}`) {
      case 'version -o': return ok(pretty({
        clientVersion: { major: '1', minor: '35', gitVersion: 'v1.35.2', platform: 'linux/amd64' }, kustomizeVersion: 'v5.7.1',
        serverVersion: { major: '1', minor: '34+', gitVersion: 'v1.34.1', platform: 'linux/amd64' }
      }))
      case 'config view': return ok(pretty(this.#config()))
      case 'auth can-i': {
        const sub = plain.find((one) => one.startsWith('--subresource='))?.slice(14)
        const right = `${plain[2]} ${plain[3]}${sub === undefined ? '' : `/${sub}`}`
        return this.#options.denied?.includes(right) === true ? no('', 'no\n') : ok('yes\n')
      }
      case 'get deployments.apps': return name === 'shop' ? ok(pretty(this.#deployment()))
        : no(`Error from server (NotFound): deployments.apps "${name}" not found\n`)
      case 'get services': return this.#services(name, ok, no)
      case 'get pods': return this.#getPods(plain, say, socket)
      case 'get events': return ok(list([{
        type: 'Warning', reason: 'FailedCreate', message: 'Error creating: pods is forbidden: exceeded quota', involvedObject: {}
      }]))
      case 'create -f': return await this.#create(input, say)
      case 'delete jobs.batch':
        this.deleted.push(name)
        this.#load?.kill('SIGTERM')
        return ok(`job.batch "${name}" deleted\n`)
      case 'logs -f': return await this.#logs(plain, say, socket)
      case 'rollout restart':
        this.#rollout = this.#restart()
        return ok('deployment.apps/shop restarted\n')
      case 'rollout status': return await this.#status(plain, ok, no)
      default: return no(`error: unknown command "${plain.join(' ')}"\n`)
    }
  }

  #config (): object {
    const { name, cluster, server, namespace } = this.#options.context
      ?? { name: 'kind-test', cluster: 'kind-test', server: 'https://127.0.0.1:6443', namespace: 'shop' }
    return {
      kind: 'Config', apiVersion: 'v1', 'current-context': name,
      clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': 'DATA+OMITTED' } }],
      contexts: [{ name, context: { cluster, user: 'me', ...namespace === undefined ? {} : { namespace } } }],
      users: [{ name: 'me', user: {} }]
    }
  }

  #deployment (): object {
    const { replicas = this.#options.replicas ?? 2, paused = false, busy = false, strategy = 'RollingUpdate' } =
      this.#options.deployment ?? {}
    return {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'shop', namespace: 'shop', generation: 4 },
      spec: {
        replicas, ...paused ? { paused } : {}, strategy: { type: strategy },
        selector: { matchLabels: { 'app.kubernetes.io/name': 'shop' } },
        template: { metadata: { labels }, spec: podSpec }
      },
      status: { observedGeneration: 4, replicas, updatedReplicas: busy ? 0 : replicas, readyReplicas: replicas }
    }
  }

  #services (name: string, ok: (out: string) => void, no: (err: string) => void): void {
    const { services = [usualService] } = this.#options
    if (name === '-o') return ok(list(services))
    const found = services.find((one) => (one as { metadata: { name: string } }).metadata.name === name)
    return found === undefined ? no(`Error from server (NotFound): services "${name}" not found\n`) : ok(pretty(found))
  }

  #getPods (args: string[], say: Say, socket: Socket): void {
    if (args.some((one) => one.startsWith('fastify-graceful/drill='))) {
      return say({ out: list(this.#jobPod === undefined ? [] : [this.#jobPod.object]), exit: 0 })
    }
    if (!args.includes('--watch')) return say({ out: list(this.#pods.map(({ object }) => object)), exit: 0 })
    this.#watchers.add(say)
    socket.on('close', () => this.#watchers.delete(say))
    for (const { object } of this.#pods) say({ out: `${JSON.stringify({ type: 'ADDED', object })}\n` })
  }

  async #create (input: string, say: Say): Promise<void> {
    const job = JSON.parse(input) as FakeCluster['jobs'][0]
    const { creating = 0, job: fate } = this.#options
    await sleep(creating)
    this.jobs.push(job)
    if (fate !== 'none') this.#runJob(job)
    say({ out: `job.batch/${job.metadata.name} created\n`, exit: 0 })
  }

  #runJob (job: FakeCluster['jobs'][0]): void {
    const pod = new FakePod(`${job.metadata.name}-x1y2z`, 'load')
    this.#jobPod = pod
    const { job: fate } = this.#options
    if (typeof fate === 'object') {
      pod.waiting = fate
      return
    }
    const { spec } = job.spec['template'] as { spec: { containers: Array<{ command: string[], args: string[] }> } }
    const [{ command, args }] = spec.containers as [{ command: string[], args: string[] }]
    const front = this.#front!
    const here = args.map((one) => one.replace(/^--load=.*/, `--load=http://${front.host}:${front.port}`))
    const cwd = fate === 'no package' ? tmpdir() : this.#folder
    this.#load = spawn(process.execPath, [...command.slice(1), ...here], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    endWithUs(this.#load)
    for (const stream of [this.#load.stdout!, this.#load.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => pod.say(line))
    }
    pod.waiting = undefined
    this.#load.once('close', (code) => pod.finish(code ?? 137))
  }

  async #logs (args: string[], say: Say, socket: Socket): Promise<void> {
    const isOfAll = args.includes('-l')
    const pods = isOfAll ? [...this.#pods] : [this.#jobPod!]
    for (const pod of pods) {
      const follow = (line: string): void => say({ out: `${isOfAll ? `[pod/${pod.name}/app] ` : ''}${line}\n` })
      pod.lines.forEach(follow)
      pod.followers.add(follow)
      socket.on('close', () => pod.followers.delete(follow))
    }
    await Promise.all(pods.map(({ exited }) => exited))
    say({ exit: 0 })
  }

  async #status (args: string[], ok: (out: string) => void, no: (err: string) => void): Promise<void> {
    if (this.#options.isStuck === true) {
      const seconds = Number(/--timeout=(\d+)s/.exec(args.join(' '))?.[1])
      await sleep(seconds * 1000, undefined, { ref: false })
      return no('error: timed out waiting for the condition\n')
    }
    await this.#rollout
    ok('deployment "shop" successfully rolled out\n')
  }
}

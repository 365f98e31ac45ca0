// Starts replicas of the shop as processes of their own, and keeps a record of what each of them goes through.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { settings } from './settings.js'

const program = new URL('replica.js', import.meta.url)
const alive = new Set()

const { gracePeriod } = settings

/** Ends every replica at once, whatever it does. For the end of the demo, also an early one. */
export function killReplicas () {
  for (const child of alive) child.kill('SIGKILL')
}

/** One replica: its phases with the time of each, and its last figures. */
class Replica {
  history = []
  inFlight = 0
  connections = 0
  port
  signalled // when it got SIGTERM
  removed // when the balancer took it out of rotation
  exit // how it ended: an exit code, or the name of a signal
  #child
  #changed

  constructor ({ name, shutdown, photos, changed }) {
    this.name = name
    this.#changed = changed
    this.#child = fork(program, [shutdown], {
      env: { ...process.env, PHOTOS: photos, TERMINATION_GRACE_PERIOD_SECONDS: String(gracePeriod / 1000) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc']
    })
    alive.add(this.#child)
    this.#enter('starting')
    this.#child.on('message', (message) => this.#record(message))
    this.exited = this.#end()
  }

  get phase () { return this.history.at(-1).phase }

  /** Resolves when the replica answers ready. */
  async ready () {
    while (this.exit === undefined && !await answersReady(this.port)) await sleep(50)
    if (this.exit !== undefined) throw new Error(`replica ${this.name} ended before it was ready: ${this.exit}`)
    this.#enter('running')
  }

  /** Sends SIGTERM. Resolves when the process is gone. */
  async terminate () {
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), gracePeriod)
    this.#child.kill('SIGTERM')
    this.signalled = Date.now()
    await this.exited
    clearTimeout(patience)
  }

  async #end () {
    const [code, signal] = await once(this.#child, 'exit')
    alive.delete(this.#child)
    Object.assign(this, { exit: code ?? signal, inFlight: 0, connections: 0 })
    this.#enter('terminated')
  }

  #record ({ port, phase, inFlight, connections }) {
    if (port !== undefined) this.port = port
    if (phase === undefined || this.exit !== undefined) return
    Object.assign(this, { inFlight, connections })
    // Ready is what the demo has seen from outside, and the end is the end of the process.
    if (phase !== 'running' && phase !== 'terminated') this.#enter(phase)
  }

  #enter (phase) {
    if (this.history.at(-1)?.phase === phase) return
    this.history.push({ phase, at: Date.now() })
    this.#changed(this)
  }
}

/** Starts one and resolves to it when it is ready. */
export async function startReplica (options) {
  const replica = new Replica(options)
  options.started?.(replica)
  await replica.ready()
  return replica
}

function answersReady (port) {
  if (port === undefined) return false
  return new Promise((resolve) => {
    get({
      port,
      host: '127.0.0.1',
      path: '/readyz',
      agent: false,
      headers: { 'user-agent': 'kube-probe/1.35' }
    }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).once('error', () => resolve(false))
  })
}

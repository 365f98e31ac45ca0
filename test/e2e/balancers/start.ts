import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get as open } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint, Front } from '../../../lib/drill/fronts.ts'
import { claimPort, endWithUs } from '../../../lib/drill/processes.ts'
import { prefer } from '../replicas.ts'
import type { Balancer, Context, RunningBalancer, Server, Setup } from './balancer.ts'
import { programOf } from './program.ts'

/** Milliseconds in which a balancer has to take a server in: Apache leaves one that has failed out for a minute. */
const longestOut = 120_000
/** Answers of others in a row, after which one has been taken out. */
const enough = 12

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const is = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return is
}

function get (port: number, path: string): Promise<{ status: number, text: string }> {
  return new Promise((resolve) => {
    const fail = (): void => resolve({ status: 0, text: '' })
    const request = open({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('error', fail)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.setTimeout(5000, () => request.destroy())
    request.on('error', fail)
  })
}

/** A real balancer in front of replicas whose ports are known beforehand. */
class RealFront implements Front {
  readonly host = '127.0.0.1'
  /** It was told of a change, or goes by it, at this time in ms since 1970. */
  onChange: (at: number) => void = () => {}
  readonly #balancer: Balancer
  readonly #setup: Setup
  readonly #running: RunningBalancer
  readonly #stop: () => Promise<void>

  constructor (balancer: Balancer, setup: Setup, running: RunningBalancer, stop: () => Promise<void>) {
    this.#balancer = balancer
    this.#setup = setup
    this.#running = running
    this.#stop = stop
  }

  get port (): number { return this.#running.context.port }

  /** Resolves when it is served by it, which only its answers tell. */
  async add (endpoint: Endpoint): Promise<void> {
    if (this.#setup.takenOut !== undefined) await this.#set(endpoint, false)
    const latest = performance.now() + longestOut
    while ((await this.#running.get('/who')).text !== endpoint.name) {
      if (performance.now() > latest) throw new Error(`${this.#balancer.name} does not take in ${endpoint.name}`)
      await sleep(50)
    }
  }

  /** Resolves when it is served by it no more. */
  async remove (endpoint: Endpoint): Promise<void> {
    await this.#set(endpoint, true)
    const latest = performance.now() + longestOut
    for (let inARow = 0; inARow < enough;) {
      if (performance.now() > latest) throw new Error(`${this.#balancer.name} does not take out ${endpoint.name}`)
      const { status, text } = await this.#running.get('/who')
      inARow = status === 200 && text !== endpoint.name ? inARow + 1 : 0
      await sleep(20)
    }
  }

  has (): boolean { return true }

  trace (): undefined {}

  async close (): Promise<void> { await this.#stop() }

  async #set ({ port }: Endpoint, isOut: boolean): Promise<void> {
    const { context } = this.#running
    const server = context.servers.find((one) => one.port === port)
    if (server === undefined || server.isOut === isOut) return
    server.isOut = isOut
    write(this.#setup, context)
    this.onChange(Date.now())
    await this.#balancer.reload?.(this.#running)
    this.onChange(Date.now())
  }
}

function write (setup: Setup, context: Context): void {
  for (const [name, text] of Object.entries(setup.files(context))) writeFileSync(join(context.folder, name), text)
}

/** Its version, as it says it itself. */
export function versionOf ({ program, package: name, version }: Balancer): string {
  const text = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', programOf(program, name), ...version], { encoding: 'utf8' })
  return /\d+\.\d+[\w.~+-]*/.exec(text)?.[0] ?? text.trim()
}

/** Starts one in front of these servers. @throws Error with what it says, where it does not start */
export async function startBalancer (
  balancer: Balancer, setup: Setup, servers: readonly Server[]
): Promise<RealFront> {
  const program = programOf(balancer.program, balancer.package)
  const folder = mkdtempSync(join(tmpdir(), 'balancer-'))
  mkdirSync(join(folder, 'work'))
  // Who changes to another user reads the one and writes the other.
  chmodSync(folder, 0o755)
  chmodSync(join(folder, 'work'), 0o777)
  const context = { folder, port: await claimPort(), adminPort: await claimPort(), servers }
  write(setup, context)
  const child = spawn(program, [...balancer.command(context), ...setup.args ?? []], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...balancer.env?.(context) }
  })
  endWithUs(child)
  prefer(child.pid, -10)
  const exited = once(child, 'exit')
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => { output = (output + String(chunk)).slice(-4000) })
  }
  const stop = async (): Promise<void> => {
    // Children of its own end with it in order only.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
    await exited
    clearTimeout(timer)
    rmSync(folder, { recursive: true, force: true })
  }
  for (let attempt = 0; !await accepts(context.port); attempt++) {
    if (child.exitCode !== null || attempt === 400) {
      await stop()
      throw new Error(`${balancer.name} did not start: ${output}`)
    }
    await sleep(50)
  }
  const running: RunningBalancer = {
    context,
    signal: (name) => { child.kill(name) },
    get: (path) => get(context.port, path)
  }
  return new RealFront(balancer, setup, running, stop)
}

/** As many as are asked for, on ports of their own. */
export async function claimServers (count: number): Promise<Server[]> {
  const servers: Server[] = []
  while (servers.length < count) servers.push({ port: await claimPort(), agentPort: await claimPort(), isOut: false })
  return servers
}

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint, Front, Trace } from '../../lib/drill/fronts.ts'
import { claimPort, endWithUs } from '../../lib/drill/processes.ts'
import { programOf } from './balancers/program.ts'
import { prefer } from './replicas.ts'

/** What the balancer is to do. */
export interface HaproxyOptions {
  /** How many servers there will have been in the end. */
  slots: number
  /** Whether HAProxy probes `/readyz` itself (every 500 ms, two failures take out, one success brings in). */
  check: boolean
}

/** How one connection ended, as HAProxy logged it. */
interface ConnectionEnd {
  slot: number
  /** HAProxy's two-letter termination state; `--` is a normal end, `SC` a server that refused. */
  state: string
  /** Epoch ms. */
  at: number
}

/** A connection's end is logged within so many ms. One of the same port that ended at another time is another one. */
const logsWithin = 2000

/**
 * The path of HAProxy's binary; installed from Debian's packages first where it is missing.
 * @throws Error that says why there is none
 */
export const findHaproxy = (): string => programOf('haproxy')

// A check may take long: a replica that the machine leaves without a processor is slow, not unready, and without it
// no server would be left.
function configuration ({ slots, check }: HaproxyOptions, port: number, socket: string): string {
  const servers = Array.from({ length: slots }, (_, index) =>
    `  server slot${index + 1} 127.0.0.1:1 ${check ? 'check inter 500ms fall 2 rise 1' : ''} disabled`)
  return `
global
  maxconn 8000
  nbthread 1
  log stdout format raw local0
  stats socket ${socket} mode 600 level admin
defaults
  mode tcp
  log global
  log-format "%cp %s %ts"
  retries 0
  no option redispatch
  timeout connect 5s
  timeout check 5s
  timeout client 90s
  timeout server 90s
listen service
  bind 127.0.0.1:${port}
  balance roundrobin
${check
  ? '  option httpchk\n  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host replica\n'
    + '  http-check expect status 200\n'
  : ''}
${servers.join('\n')}
`
}

async function ask (socket: string, command: string): Promise<string> {
  const connection = connect(socket)
  connection.setTimeout(5000, () => connection.destroy(new Error(`haproxy did not answer "${command}" in 5 s`)))
  connection.end(`${command}\n`)
  let answer = ''
  for await (const chunk of connection) answer += String(chunk)
  return answer.trim()
}

async function order (socket: string, command: string): Promise<void> {
  const answer = await ask(socket, command)
  if (answer !== '' && !/^(IP|port|no need to change)/.test(answer)) {
    throw new Error(`haproxy refused "${command}": ${answer}`)
  }
}

/** How connections ended, by the client's local port: ports are used again within a minute. */
function readEnds (stdout: NodeJS.ReadableStream): Map<number, ConnectionEnd[]> {
  const ends = new Map<number, ConnectionEnd[]>()
  createInterface({ input: stdout }).on('line', (line) => {
    const [port, slot, state] = line.split(' ')
    if (!/^\d+$/.test(port ?? '') || slot === undefined || state === undefined) return
    const ofPort = ends.get(Number(port)) ?? []
    ofPort.push({ slot: Number(slot.slice('slot'.length)), state, at: Date.now() })
    ends.set(Number(port), ofPort)
  })
  return ends
}

/** A running HAProxy, whose servers are told to it one by one. Slots are numbered from 1. */
class Haproxy implements Front {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #socket: string
  readonly #ends: Map<number, ConnectionEnd[]>
  readonly #stop: () => Promise<void>
  /** Names, by slot. */
  readonly #names: string[] = []
  readonly #listed = new Set<string>()

  constructor (port: number, socket: string, ends: Map<number, ConnectionEnd[]>, stop: () => Promise<void>) {
    this.port = port
    this.#socket = socket
    this.#ends = ends
    this.#stop = stop
  }

  async add ({ name, host, port }: Endpoint): Promise<void> {
    if (!this.#names.includes(name)) this.#names.push(name)
    this.#listed.add(name)
    await this.#order(name, `addr ${host} port ${port}`)
    await this.#order(name, 'state ready')
  }

  /** Existing connections go on, as behind kube-proxy. */
  async remove ({ name }: Endpoint): Promise<void> {
    this.#listed.delete(name)
    await this.#order(name, 'state drain')
  }

  has ({ name }: Endpoint): boolean { return this.#listed.has(name) }

  trace (localPort: number, at: number): Trace | undefined {
    const end = this.#ends.get(localPort)?.toSorted((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at))[0]
    if (end === undefined || Math.abs(end.at - at) > logsWithin) return undefined
    return { endpoint: this.#names[end.slot - 1], isRefused: end.state === 'SC' }
  }

  async close (): Promise<void> { await this.#stop() }

  async #order (name: string, change: string): Promise<void> {
    const slot = this.#names.indexOf(name) + 1
    if (slot > 0) await order(this.#socket, `set server service/slot${slot} ${change}`)
  }
}

/**
 * Starts HAProxy in TCP mode on a free port of 127.0.0.1: no retries, no redispatch, so that whatever a server loses,
 * the client sees.
 * @throws Error when there is no HAProxy or it does not start
 */
export async function startHaproxy (options: HaproxyOptions): Promise<Front> {
  const binary = findHaproxy()
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-'))
  const socket = join(folder, 'admin.sock')
  const port = await claimPort()
  writeFileSync(join(folder, 'haproxy.cfg'), configuration(options, port, socket))
  const child = spawn(binary, ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: ['ignore', 'pipe', 'pipe'] })
  endWithUs(child)
  prefer(child.pid, -10)
  const exited = once(child, 'exit')
  let complaints = ''
  child.stderr.on('data', (chunk) => { complaints = (complaints + String(chunk)).slice(-4000) })
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  const ends = readEnds(child.stdout)
  for (let attempt = 0; ; attempt++) {
    if (await ask(socket, 'show info').then((answer) => answer.includes('Version'), () => false)) break
    if (child.exitCode !== null || attempt === 200) {
      await stop()
      throw new Error(`haproxy did not start: ${complaints}`)
    }
    await sleep(25)
  }
  return new Haproxy(port, socket, ends, stop)
}

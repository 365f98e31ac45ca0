import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drill } from '../../../lib/drill/drill.ts'
import type { DrillResult } from '../../../lib/drill/drill.ts'
import type { PlacedLoss } from '../../../lib/drill/losses.ts'
import type { Address } from '../../../lib/drill/processes.ts'
import type { ServiceOptions } from '../../../lib/drill/replicas.ts'
import { cleanEnv } from '../../support/clean-env.ts'
import { ensureBuilt, prefer } from '../replicas.ts'
import type { Balancer, Server, Setup } from './balancer.ts'
import { claimServers, startBalancer } from './start.ts'
import { numberedUsers, numberOf } from './users.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const grace = 30_000

export interface TrialOptions {
  replicas?: number
  /** Requests a second. */
  rate?: number
  /** Ms of load before the first signal. */
  warmUp?: number
}

/** One loss, with what the replicas know of it. */
interface SeenLoss extends PlacedLoss {
  /** The replicas to which it came. */
  seenBy: readonly string[]
  /** It is the balancer's own, see `Setup.ownLoss`. */
  isOwn: boolean
}

/** What an update has come to. */
export interface TrialResult extends Omit<DrillResult, 'losses'> {
  losses: SeenLoss[]
  /** Requests that came to replicas more often than they were sent: the balancer has repeated them. */
  repeated: Array<{ number: number, seenBy: readonly string[] }>
}

/** The status of one GET over HTTP/2, by the name of a kubelet, which is no front end; 0 where nobody answers. */
function probeHttp2 (scheme: string) {
  return ({ host = '127.0.0.1', port }: Address, path: string): Promise<number> => new Promise((resolve) => {
    const session = connect(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`, { rejectUnauthorized: false })
    const end = (status: number): void => {
      session.destroy()
      resolve(status)
    }
    session.on('error', () => end(0)).setTimeout(1000, () => end(0))
    session.request({ ':path': path, 'user-agent': 'kube-probe/1.34' }).on('response', ({ ':status': status = 0 }) => end(status)).on('error', () => end(0))
  })
}

/** A certificate that nobody has to trust. */
function certify (file: string): void {
  if (existsSync(`${file}.pem`)) return
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-keyout', `${file}.key`, '-out', `${file}.pem`, '-subj', '/CN=localhost'
  ], { stdio: 'pipe' })
}

/** What each replica runs. @param more Fastify's own options */
export function serviceOf (
  { options, protocol = 'http', brings }: Setup, { folder, agentPort, fastify }:
  { folder: string, agentPort?: number, fastify?: object }
): ServiceOptions {
  const certificate = join(folder, 'certificate')
  if (protocol === 'tls') certify(certificate)
  const given = { options, protocol, brings, agentPort, fastify, certificate, arrivals: join(folder, 'arrivals') }
  return {
    command: ['env', ...cleanEnv, process.execPath, fileURLToPath(new URL('service.js', import.meta.url))],
    cwd: root,
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', SERVICE: JSON.stringify(given) },
    ...protocol === 'http' ? {} : { probe: probeHttp2(protocol === 'tls' ? 'https' : 'http') }
  }
}

/** To which replicas each request came, by its number. */
export function readArrivals (folder: string): Map<number, string[]> {
  const arrivals = new Map<number, string[]>()
  for (const line of readFileSync(join(folder, 'arrivals'), 'utf8').split('\n')) {
    const [, number, name] = /^(\d+) (.+)$/.exec(line) ?? []
    if (number === undefined || name === undefined) continue
    arrivals.set(Number(number), [...arrivals.get(Number(number)) ?? [], name])
  }
  return arrivals
}

function isOwn (loss: PlacedLoss, seenBy: readonly string[], changes: readonly number[], { ownLoss }: Setup): boolean {
  if (ownLoss === undefined || seenBy.length > 0 || !ownLoss.kinds.includes(loss.kind)) return false
  return changes.some((at) => loss.failedAt >= at && loss.failedAt - at <= ownLoss.within)
}

const nameOf = (index: number, isSuccessor: boolean): string => `${isSuccessor ? 'new' : 'old'}-${index + 1}`

/**
 * Updates each replica behind a balancer, one after the other and in its place, under load.
 * @throws Error where the balancer or a replica does not start; losses are no error but the result
 */
export async function trial (
  balancer: Balancer, setup: Setup, { replicas = 2, rate = 200, warmUp = 4000 }: TrialOptions = {}
): Promise<TrialResult> {
  ensureBuilt()
  prefer(process.pid, -10)
  const folder = mkdtempSync(join(tmpdir(), 'balanced-'))
  writeFileSync(join(folder, 'arrivals'), '')
  const servers: readonly Server[] = await claimServers(replicas)
  const changes: number[] = []
  try {
    const { losses, ...result } = await drill({
      service: (index, isSuccessor) => {
        const service = serviceOf(setup, { folder, agentPort: servers[index]!.agentPort })
        return { ...service, env: { ...service.env, REPLICA: nameOf(index, isSuccessor) } }
      },
      replicas,
      ports: servers.map(({ port }) => port),
      inPlace: true,
      ...setup.takenOut === undefined ? {} : { lag: -setup.takenOut },
      rate,
      profiles: numberedUsers(),
      grace,
      warmUp,
      coolDown: 1500,
      nameOf,
      startFront: async () => {
        const front = await startBalancer(balancer, setup, servers)
        front.onChange = (at) => changes.push(at)
        return front
      },
      observer: { started: ({ pid }) => prefer(pid, 0) }
    })
    const arrivals = readArrivals(folder)
    return {
      ...result,
      losses: losses.map((loss) => {
        const seenBy = arrivals.get(numberOf(loss.path)) ?? []
        return { ...loss, seenBy, isOwn: isOwn(loss, seenBy, changes, setup) }
      }),
      repeated: [...arrivals].filter(([, seenBy]) => seenBy.length > 1)
        .map(([number, seenBy]) => ({ number, seenBy }))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

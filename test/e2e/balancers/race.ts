import { once } from 'node:events'
import { Agent } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exchange } from '../../../lib/drill/exchange.ts'
import type { Outcome } from '../../../lib/drill/exchange.ts'
import type { RequestProfile } from '../../../lib/drill/profiles.ts'
import { startReplica } from '../../../lib/drill/replicas.ts'
import type { Balancer, Setup } from './balancer.ts'
import { claimServers, startBalancer } from './start.ts'
import { readArrivals, serviceOf } from './trial.ts'
import { numberOf } from './users.ts'

/** The service's, in ms: shortened from 72 s, as the balancer's are. */
const keepAliveTimeout = 3000
/** Ms for which the event loop is held around the moment at which the service closes what is idle. */
const held = 600
/** Clients of each method. */
const clients = 5
const methods = ['GET', 'POST'] as const
const timeout = 15_000

type Counts = Record<typeof methods[number], number>

/** By their method, of `sent` requests each. */
export interface RaceResult {
  sent: number
  /** Those that met the end of an idle connection and were lost. */
  lost: Counts
  /** Those that came to the service twice and more, of those that it breaks off on a kept connection. */
  repeated: Counts
  /** Those of them that came at all. */
  came: Counts
}

const post = { body: Buffer.alloc(16), headers: { 'content-type': 'application/octet-stream' } }

/** What sends on a connection as long as it is there, whatever the server says of how long it will be. */
class Stubborn extends Agent {
  override keepSocketAlive (): boolean { return true }
}

/** Ms after which the service closes an idle connection: Node adds to what it is told. */
let closesAfter: Promise<number> | undefined

async function measure (port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write('GET /who HTTP/1.1\r\nHost: service\r\n\r\n')
  await once(socket, 'data')
  const since = performance.now()
  await once(socket, 'close')
  return performance.now() - since
}

/**
 * The classic loss: the service closes a connection that has idled for its `keepAliveTimeout`, and the balancer sends a
 * request on it in that moment. The moment is made long: the service's event loop is held, so that it closes before it
 * reads.
 *
 * @param side whether the balancer keeps connections for longer than the service
 */
export async function race (balancer: Balancer, side: 'longer' | 'shorter'): Promise<RaceResult> {
  const setup: Setup = { name: side, why: '', ...balancer.pool![side] }
  const folder = mkdtempSync(join(tmpdir(), 'raced-'))
  writeFileSync(join(folder, 'arrivals'), '')
  const servers = await claimServers(1)
  const [{ port, agentPort }] = servers as [typeof servers[number]]
  const service = serviceOf(setup, { folder, agentPort, fastify: { keepAliveTimeout } })
  const replica = await startReplica('one', { ...service, env: { ...service.env, REPLICA: 'one' } }, {}, port)
  const agents = methods.flatMap((method) =>
    Array.from({ length: clients }, () => ({ method, agent: new Stubborn({ keepAlive: true, maxSockets: 1 }) })))
  try {
    await replica.ready()
    const front = await startBalancer(balancer, setup, servers)
    try {
      await front.add(replica)
      let number = 0
      const send = (agent: Agent, profile: Partial<RequestProfile>, to = front.port): Promise<Outcome> => exchange(
        { name: '', path: '/', ...profile }, { host: front.host, port: to, agent, timeout, onConnection: () => {} }
      )
      // As many connections as there are clients.
      const warm = (): Promise<unknown> => Promise.all(agents.map(({ agent }) => send(agent, { path: '/slow?ms=300' })))
      const all = (path: string): Promise<Array<Outcome & { method: string }>> =>
        Promise.all(agents.map(async ({ method, agent }) => {
          const profile = { path: `${path}?id=${++number}`, method, ...method === 'POST' ? post : {} }
          return { method, ...await send(agent, profile) }
        }))
      const after = await (closesAfter ??= measure(port))
      await warm()
      const due = performance.now() + after
      await sleep(due - held / 2 - performance.now())
      const busy = send(new Agent(), { path: `/busy?ms=${held}` }, port)
      await sleep(due + held / 6 - performance.now())
      const raced = await all('/')
      await busy
      await warm()
      const broken = await all('/break')
      const arrivals = readArrivals(folder)
      const came = ({ path }: Outcome): number => arrivals.get(numberOf(path))?.length ?? 0
      return {
        sent: clients,
        lost: count(raced, ({ cause }) => cause !== undefined),
        repeated: count(broken, (outcome) => came(outcome) > 1),
        came: count(broken, (outcome) => came(outcome) > 0)
      }
    } finally {
      await front.close()
    }
  } finally {
    for (const { agent } of agents) agent.destroy()
    replica.kill('SIGKILL')
    await replica.exited
    rmSync(folder, { recursive: true, force: true })
  }
}

function count (outcomes: ReadonlyArray<Outcome & { method: string }>, is: (outcome: Outcome) => boolean): Counts {
  const by = (method: string): number => outcomes.filter((outcome) => outcome.method === method && is(outcome)).length
  return { GET: by('GET'), POST: by('POST') }
}

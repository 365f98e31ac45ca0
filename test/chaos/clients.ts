import { exchange } from '../../lib/drill/exchange.ts'
import { startLoad } from '../../lib/drill/load.ts'
import type { Loss } from '../../lib/drill/losses.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import { startStays } from '../../lib/drill/stays.ts'
import type { StayProfile } from '../../lib/drill/stays.ts'
import { Tally } from '../../lib/drill/losses.ts'
import { Agent } from 'node:http'
import type { Lost } from './observation.ts'
import type { Plan } from './plan.ts'

/** What the clients have seen. */
export interface Seen {
  requests: number
  /** The longest time in ms for which the clients did not get to run. */
  pause: number
  losses: Lost[]
  answered: Array<{ pid: number, n: number }>
}

/** Milliseconds after which a client hangs up, which is before the service would. */
const idle = 250
/** Milliseconds that an answer may take, which is longer than any end. */
const patience = 30_000

/** All who ask the service until they are stopped. Nothing is retried. */
export function startClients (plan: Plan, port: number, begun: number): { stop: () => Promise<Seen> } {
  const answered: Seen['answered'] = []
  const isRight = (body: Buffer): boolean => {
    const { pid, n } = JSON.parse(body.toString()) as { pid: number, n: number }
    answered.push({ pid, n })
    return true
  }
  const text = JSON.stringify({ text: 'x'.repeat(2000) })
  const group = 'kept'
  const profiles: RequestProfile[] = [
    { name: 'quick', path: '/quick', weight: 4, group, burst: 3, isRight },
    { name: 'slow', path: () => `/slow?ms=${20 + Math.floor(Math.random() * 600)}`, weight: 3, group, isRight },
    { name: 'work', path: '/work', weight: 1, group, isRight },
    { name: 'download', path: '/download', weight: 1, group, isRight },
    { name: 'alone', path: '/quick', weight: 2, keepAlive: false, isRight },
    {
      name: 'upload', path: '/echo', method: 'POST', weight: 1, group, isRight, bodyPause: [5, 150],
      headers: { 'content-type': 'application/json' }, body: Buffer.from(text)
    }
  ]
  const host = '127.0.0.1'
  const tally = new Tally()
  const load = startLoad({
    host, port, tally, idle, timeout: patience, rate: Math.max(plan.rate, 1), profiles: plan.rate === 0 ? [] : profiles
  })
  const kinds: StayProfile[] = [
    { kind: 'websocket', path: '/socket', clients: plan.webSockets },
    { kind: 'events', path: '/events', clients: plan.eventStreams }
  ]
  const stays = startStays({ host, port, tally, timeout: patience, stays: kinds.filter(({ clients }) => clients > 0) })
  const stubborn = plan.stubborn === 0 ? undefined : ask(port, `/slow?ms=${plan.stubborn}`, isRight, begun)
  return {
    stop: async () => {
      const [loaded, stayed, lost] = await Promise.all([load.stop(), stays.stop(), stubborn])
      const losses = [...loaded.losses, ...stayed.losses]
        .map((loss: Loss) => ({ ...loss, at: sinceBegun(loss.failedAt, begun) }))
      const { longestPause: pause } = loaded
      return { pause, answered, losses: [...losses, ...lost ?? []], requests: tally.requests + (lost === undefined ? 0 : 1) }
    }
  }
}

function sinceBegun (epoch: number, begun: number): number {
  return epoch - performance.timeOrigin - begun
}

/** One request on a connection of its own. */
async function ask (port: number, path: string, isRight: (body: Buffer) => boolean, begun: number): Promise<Lost[]> {
  const agent = new Agent()
  const profile = { name: 'stubborn', path, isRight }
  const outcome = await exchange(profile, { host: '127.0.0.1', port, agent, timeout: patience, onConnection: () => {} })
  agent.destroy()
  const { cause, detail, isReused, localPort } = outcome
  if (cause === undefined) return []
  const kind = cause === 'ended' ? 'reset-new' : cause
  return [{ kind, detail, isReused, localPort, profile: profile.name, at: performance.now() - begun }]
}

import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { Child } from '../../lib/supervisor/parent/child.ts'
import { ProbeNews } from '../../lib/supervisor/parent/probe-updates.ts'
import type { Probed } from '../../lib/supervisor/protocol.ts'

type Heard = Pick<Child, 'alive' | 'readyFor' | 'send'> & { heard: Probed[] }

/** A child that remembers what it was sent. */
function child (given: Partial<Heard> = {}): Heard {
  const heard: Probed[] = []
  return { alive: true, readyFor: 1000, heard, send: (message) => { heard.push(message as Probed) }, ...given }
}

function request (url = '/readyz', userAgent?: string): FastifyRequest {
  const headers = { host: 'x', ...userAgent !== undefined && { 'user-agent': userAgent } }
  return { url, raw: { method: 'GET' }, headers, socket: { remoteAddress: '10.0.0.1' } } as unknown as FastifyRequest
}
const reply = (): FastifyReply => ({ raw: new EventEmitter() }) as unknown as FastifyReply
const collected = async (): Promise<unknown> => sleep(80)

t.test('children hear of each answer to readiness, when it is out, and how long ago that was', async (t) => {
  let now = 1000
  const children = [child(), child(), child({ readyFor: undefined }), child({ alive: false })]
  const news = new ProbeNews(children, () => now)
  const replies = [reply(), reply(), reply(), reply()]
  news.answered({ probe: 'readyz', kind: 'readiness', ok: true }, request(), replies[0]!)
  news.answered({ probe: 'readyz', kind: 'readiness', ok: false }, request('/readyz?x', 'HAProxy/3'), replies[1]!)
  news.answered({ probe: 'livez', kind: 'liveness', ok: true }, request('/livez'), replies[2]!)
  news.answered({ probe: 'readyz', kind: 'readiness', ok: true }, request(), replies[3]!)
  await collected()
  t.same(children.map(({ heard }) => heard), [[], [], [], []], 'nothing is out')
  for (const { raw } of replies.slice(0, 3)) raw.emit('finish')
  now = 1400
  replies[3]!.raw.emit('finish')
  now = 1500
  await collected()
  const [first, second, unheard, gone] = children
  const from = { path: '/readyz', method: 'GET', address: '10.0.0.1' }
  t.match(first!.heard, [{
    type: 'fastify-graceful',
    probed: [
      { probe: 'readyz', ok: true, count: 2, first: 500, last: 100, caller: from },
      { probe: 'readyz', ok: false, count: 1, first: 500, last: 500, caller: { ...from, userAgent: 'HAProxy/3' } }
    ]
  }])
  t.same(second!.heard, first!.heard)
  t.same([unheard!.heard, gone!.heard], [[], []], 'one that does not listen yet, and one that has ended')
})

t.test('a child that comes later hears of what was answered lately', async (t) => {
  let now = 0
  const news = new ProbeNews([], () => now)
  for (; now < 100_000; now += 10_000) {
    const { raw } = reply()
    news.answered({ probe: 'readyz', kind: 'readiness', ok: true }, request(), { raw } as FastifyReply)
    raw.emit('finish')
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await collected()
  }
  const late = child()
  news.join(late)
  t.same(late.heard.map(({ probed: [answer] }) => answer?.last), [20_000, 10_000])
})

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Endpoint, Front } from '../../../lib/drill/fronts.ts'
import { startLoad } from '../../../lib/drill/load.ts'
import type { Load, LoadResult } from '../../../lib/drill/load.ts'
import type { RequestProfile } from '../../../lib/drill/profiles.ts'
import { countByKind } from '../../../lib/drill/losses.ts'
import type { Report } from '../../../lib/lifecycle/report.ts'
import { startHaproxy } from '../../e2e/haproxy.ts'
import { prefer } from '../../e2e/replicas.ts'
import { between, pause, reads } from '../../e2e/users.ts'
import { logOf, start } from './service.ts'
import type { Command, LogLine, Service } from './service.ts'

const ok = { path: '/', status: 200, isRight: reads((text) => text === '{"ok":true}') }
const echo = Buffer.from(JSON.stringify({ ok: true, padding: 'x'.repeat(2000) }))

/** Users of the routes in `shop.js`: kept connections and new ones, quick and slow answers, bodies in two halves. */
export const shopUsers: readonly RequestProfile[] = [
  { ...ok, name: 'immediate', weight: 30, burst: 4 },
  { ...ok, name: 'paused', weight: 20, think: 2000 },
  { ...ok, name: 'fresh', weight: 20, keepAlive: false },
  { ...ok, name: 'slow', weight: 15, path: () => `/slow?ms=${between(50, 800)}` },
  {
    name: 'posting',
    weight: 15,
    method: 'POST',
    path: '/echo',
    headers: { 'content-type': 'application/json' },
    body: echo,
    bodyPause: pause,
    status: 200,
    isRight: (body) => body.equals(echo)
  }
]

/** Clients that stay: they are there before the end begins, and say what they have lost of what they were promised. */
export interface LongLived {
  /** What was lost, a line each. Called when the old replica has gone. */
  stop: () => Promise<string[]>
}

/** Two replicas, one of which is taken down, behind a balancer that asks `/readyz`. */
export interface UpdateOptions {
  service: (name: 'old' | 'new') => Command
  /** Requests a second. @default 60 */
  rate?: number
  /** @default the users of `shop.js` */
  profiles?: readonly RequestProfile[]
  /**
   * @param port the balancer's
   * @param replicas ports of the replicas, for clients that a balancer would keep with one of them
   */
  longLived?: (port: number, replicas: { old: number, successor: number }) => Promise<LongLived>
  /** Whether the signal waits until the old one has begun something that takes a second or more. @default false */
  isInHand?: boolean
}

/** How it went. */
export interface Outcome extends LoadResult {
  byKind: ReturnType<typeof countByKind>
  /** What those that stay have lost. */
  dropped: string[]
  old: Service
  successor: Service
  code: number | null
  signal: NodeJS.Signals | null
  /** Milliseconds from SIGTERM to the end of the process. */
  took: number
  report: Report | undefined
  /** Warnings and errors of both, from the log and beside it. */
  warnings: string[]
}

/** Milliseconds of load before the update. */
const warmUp = 5000
/** Then SIGKILL comes. */
const gracePeriod = 30_000

async function terminate (service: Service): Promise<Pick<Outcome, 'code' | 'signal' | 'took'>> {
  const from = Date.now()
  service.kill('SIGTERM')
  const kubelet = setTimeout(() => service.kill('SIGKILL'), gracePeriod)
  const { code, signal, at } = await service.exited
  clearTimeout(kubelet)
  return { code, signal, took: at - from }
}

/** Waits for work that is in hand for another second. Whether there is any at a given moment is chance. */
async function untilInHand ({ lines }: Service): Promise<void> {
  const seen = lines.length
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(5)) {
    if (lines.slice(seen).some(({ text }) => /^works for 1\d{3} ms$/.test(text))) return
  }
  throw new Error('nothing was in hand for 20 s')
}

/** What is said, and is true, of a process that did not get to run. */
const signsOfStarving = new Set(['graceful.watchdog', 'graceful.blocked', 'graceful.unblocked'])
/** Milliseconds after its first line for which a process starts, when others may start beside it on this machine. */
const startsFor = 5000

/** What a service has complained of: log lines from warning on, and whatever of standard error speaks of one. */
export function complaints (service: Pick<Service, 'lines'>): string[] {
  const lines = logOf(service)
  const starts = new Map(lines.toReversed().map(({ pid, time = 0 }) => [pid, time]))
  const isStarting = ({ pid, time = 0 }: LogLine): boolean => time < (starts.get(pid) ?? 0) + startsFor
  const isExcused = (line: LogLine): boolean => signsOfStarving.has(line.event ?? '') && isStarting(line)
  const logged = lines.filter((line) => (line.level ?? 0) >= 40 && !isExcused(line))
  const beside = service.lines.filter(({ text }) => !text.startsWith('{')).map(({ text }) => text)
  return [
    ...logged.map((line) => JSON.stringify(line)),
    ...beside.filter((text) => /warn|error|unhandled|deprecat/i.test(text))
  ]
}

const endpointOf = (name: string, { port }: Service): Endpoint => ({ name, host: '127.0.0.1', port })

/** Puts load on two replicas, and takes one of them down under it, as a rolling update does. */
export async function update (
  { service, rate = 60, profiles = shopUsers, longLived, isInHand = false }: UpdateOptions
): Promise<Outcome> {
  prefer(process.pid, -10)
  const started = await Promise.allSettled([start(service('old')), start(service('new'))])
  const [old, successor] = started.map((one) => one.status === 'fulfilled' ? one.value : undefined)
  let front: Front | undefined
  let load: Load | undefined
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason
    front = await startHaproxy({ slots: 2, check: true })
    await front.add(endpointOf('old', old!))
    await front.add(endpointOf('new', successor!))
    await sleep(700)
    load = startLoad({ port: front.port, rate, profiles })
    const clients = await longLived?.(front.port, { old: old!.port, successor: successor!.port })
    await sleep(warmUp)
    if (isInHand) await untilInHand(old!)
    const end = await terminate(old!)
    await front.remove(endpointOf('old', old!))
    await sleep(500)
    const seen = await load.stop()
    const dropped = await clients?.stop() ?? []
    const report = logOf(old!).find(({ event }) => event === 'graceful.report')?.report
    await terminate(successor!)
    const warnings = [old!, successor!].flatMap(complaints)
    const byKind = countByKind(seen.losses)
    return { ...seen, ...end, dropped, byKind, old: old!, successor: successor!, report, warnings }
  } finally {
    await load?.stop()
    for (const one of [old, successor]) one?.kill('SIGKILL')
    await front?.close()
  }
}

/** What a report says where nothing was lost: with no advice, for there is nothing to do better. */
export function isClean (t: Test, report: Report | undefined): void {
  const { verdict, cut, advice, traffic } = report ?? {}
  const seen = [verdict, cut?.requests, cut?.waiting, advice, traffic?.lateArrivals, traffic?.suggestedMin]
  t.same(seen, ['clean', [], [], [], 0, undefined], 'the report', { report })
}

/** What may differ from party to party. */
export interface Expectations {
  /** Complaints that are the foreign party's own. */
  harmless?: RegExp[]
  /** Milliseconds within which the old one has to be gone. @default 20000 */
  most?: number
}

/** What is expected of every foreign party. */
export function lostNothing (t: Test, outcome: Outcome, { harmless = [], most = 20_000 }: Expectations = {}): void {
  const { requests, losses, byKind, dropped, code, signal, took, report, warnings, old } = outcome
  const log = old.lines.map((line) => line.text).join('\n').slice(-6000)
  t.same(byKind, {}, `0 of ${requests} requests lost`, { losses: losses.slice(0, 10), log })
  t.ok(requests > 300, `${requests} requests`)
  t.same(dropped, [], 'nothing was taken from those that stay')
  t.same([code, signal], [0, null], `exit code after ${took} ms`, { log })
  t.ok(took < most, `gone after ${took} ms`)
  isClean(t, report)
  t.same(warnings.filter((line) => !harmless.some((pattern) => pattern.test(line))), [], 'no warning')
}

/** What hooks have said by `sayHook`, in their order. */
export function hooksOf ({ lines }: Pick<Service, 'lines'>): string[] {
  return lines.flatMap(({ text }) => /(?:^|")hook ([^"\\]+)/.exec(text)?.[1] ?? [])
}

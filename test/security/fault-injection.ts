import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { Announcement } from '../../lib/traffic/announcement.ts'
import { Arrivals } from '../../lib/traffic/arrivals.ts'
import { CoarseClock, Requests, UnshownReplies } from '../../lib/traffic/requests.ts'
import { Connections } from '../../lib/traffic/connections.ts'
import { CutOff } from '../../lib/traffic/cut-off.ts'
import { DrainSignals } from '../../lib/traffic/drain-signals.ts'
import { EarlyReplies } from '../../lib/traffic/early-replies.ts'
import { Endings } from '../../lib/traffic/long-lived.ts'
import { EnvoySignal, Shedding } from '../../lib/traffic/shedding.ts'
import { FollowedReplies } from '../../lib/traffic/followed-replies.ts'
import { FrontEnds } from '../../lib/traffic/front-ends.ts'
import { FrontObserver, ProbeWitness } from '../../lib/traffic/front-observer.ts'
import { IdleSweep } from '../../lib/traffic/idle.ts'
import { InFlightList } from '../../lib/traffic/in-flight.ts'
import { Incoming } from '../../lib/traffic/incoming.ts'
import { JoinedServer } from '../../lib/traffic/joined-server.ts'
import { Listeners } from '../../lib/traffic/listeners.ts'
import { Losses } from '../../lib/traffic/losses.ts'
import { LostReplies } from '../../lib/traffic/handlers.ts'
import { Messages } from '../../lib/traffic/messages.ts'
import { SocketWork } from '../../lib/traffic/socket-work.ts'
import { SteadyCallers } from '../../lib/traffic/steady-callers.ts'
import { Traffic } from '../../lib/traffic/traffic.ts'
import { Upgrades } from '../../lib/traffic/upgrades.ts'
import { WebSocketCloser } from '../../lib/traffic/web-socket-closer.ts'
import { EndWitness } from '../../lib/traffic/whose-end.ts'
import { Application } from '../../lib/application.ts'
import { Telemetry } from '../../lib/metrics/telemetry.ts'
import { exchange, exchangeInClose, makeService } from './exchanges.ts'
import type { Kind } from './exchanges.ts'

/** Opens the admin routes. */
export const token = 'a-token-of-27-characters-ok'
/** What the services are registered with. */
export const options = { gracePeriod: 4000, announce: { shed: 'immediate' }, admin: { token } } as const

/** Everything of the plugin that runs while somebody is served. */
const rooms = {
  Application, Traffic, Connections, Requests, Upgrades, EarlyReplies, Endings, EnvoySignal, Shedding, Losses,
  EndWitness, FrontObserver, FrontEnds, ProbeWitness, SteadyCallers, Arrivals, IdleSweep, DrainSignals, SocketWork,
  Messages, CoarseClock, Telemetry, Listeners, JoinedServer, WebSocketCloser, Incoming, FollowedReplies, LostReplies,
  UnshownReplies, InFlightList, Announcement, CutOff
}

/** A method of the plugin that can be made to throw. */
export interface Method { room: string, name: string, prototype: object, own: PropertyDescriptor }

/** All of them. */
export const methods: readonly Method[] = Object.entries(rooms).flatMap(([room, { prototype }]) => {
  const all: Array<[string, PropertyDescriptor]> = Object.entries(Object.getOwnPropertyDescriptors(prototype))
  return all
    .filter(([name, { value, get }]) => name !== 'constructor' && typeof (value ?? get) === 'function')
    .map(([name, own]) => ({ room, name, prototype, own }))
})

const nameOf = ({ room, name }: Method): string => `${room}.${name}`

/** Any function. */
export type Callback = (...parameters: unknown[]) => unknown

/** Puts something in the place of a method; the answer restores it. */
export function replace ({ prototype, name, own }: Method, made: (original: Callback) => Callback): () => void {
  const changed = made((own.value ?? own.get) as () => unknown)
  Object.defineProperty(prototype, name, own.get === undefined ? { ...own, value: changed } : { ...own, get: changed })
  return () => Object.defineProperty(prototype, name, own)
}

/** Begins to leave, as an operator does it. */
export const drain = async (app: FastifyInstance): Promise<unknown> =>
  app.inject({ method: 'POST', url: '/-/drain', headers: { authorization: `Bearer ${token}` } })

/** What is answered while the service runs, while it leaves and while it closes. */
type Answers = Record<'running' | 'leaving' | 'closing', unknown>

/** The next request of a connection that was told to go is none of the service's. */
function withoutNext (answers: Record<string, string>): object {
  return Object.fromEntries(Object.entries(answers).filter(([name]) => name !== 'two, one after the other'))
}

async function answersOf (kind: Kind, app: FastifyInstance, leave: () => unknown): Promise<Answers> {
  const running = await exchange(kind, app)
  await leave()
  return { running, leaving: withoutNext(await exchange(kind, app)), closing: await exchangeInClose(kind, app) }
}

/** Which methods are called meanwhile. */
async function calledMethods (kind: Kind): Promise<Method[]> {
  const called = new Set<Method>()
  const restore = methods.map((method) => replace(method, (original) => function (this: unknown, ...given) {
    called.add(method)
    return Reflect.apply(original, this, given)
  }))
  const app = await makeService(kind, options)
  called.clear()
  await answersOf(kind, app, () => drain(app))
  for (const one of restore) one()
  return [...called]
}

/** What meets a connection before it is known to carry HTTP. */
const secureRooms = ['Traffic', 'Incoming', 'Connections', 'Losses', 'EndWitness', 'Upgrades']

/** What TLS does not change is tried without. */
const isTried = (kind: Kind, { room }: Method): boolean => kind !== 'https' || secureRooms.includes(room)

/** A service one of whose methods throws, and how often it has. */
interface Case { method: Method, isArmed: boolean, thrown: number }

/** The case that a call belongs to: what a service and its clients do runs in the context that they were made in. */
const currentCase = new AsyncLocalStorage<Case>()

/** The only case that runs. */
let loneCase: Case | undefined

/** How many cases run at the same time: most of the time of each is spent waiting. */
const concurrency = 8

/** Lets these methods throw in the cases that are theirs; the answer restores them. */
function arm (armed: readonly Method[]): () => void {
  const restore = armed.map((method) => replace(method, (original) => function (this: unknown, ...given) {
    const found = loneCase ?? currentCase.getStore()
    if (found?.isArmed !== true || found.method !== method) return Reflect.apply(original, this, given)
    found.thrown++
    throw new Error(`injected into ${nameOf(method)}`)
  }))
  return () => { for (const one of restore) one() }
}

async function injectFault (t: Test, kind: Kind, bare: Answers, own: Case): Promise<void> {
  const answers = await currentCase.run(own, async () => {
    const app = await makeService(kind, options)
    own.isArmed = true
    return answersOf(kind, app, () => drain(app))
  })
  own.isArmed = false
  t.strictSame(answers, bare, `${nameOf(own.method)}, which has thrown ${own.thrown} times`)
}

/** Makes each method throw that is called in the life of a service, each in a service of its own. */
export async function injectFaults (t: Test, kind: Kind): Promise<void> {
  // Keeps what the applications of a process share, the watchdog's thread among it, from one case to the next.
  const keeper = await makeService(kind, options)
  const bare = await answersOf(kind, await makeService(kind), () => {})
  const intact = await makeService(kind, options)
  t.strictSame(await answersOf(kind, intact, () => drain(intact)), bare, 'intact')
  const called = await calledMethods(kind)
  const names = called.map(nameOf)
  t.ok(names.length >= 60, `${names.length} methods are called: ${names.join(', ')}`)
  const each = ['Incoming.arrive', 'FollowedReplies.follow', 'Requests.count', 'Traffic.cut']
  for (const name of each) t.ok(names.includes(name), name)
  const tried = called.filter((one) => isTried(kind, one))
  const restore = arm(tried)
  t.teardown(restore)
  const cases = tried.map((method): Case => ({ method, isArmed: false, thrown: 0 }))
  const waiting = cases.values()
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (const own of waiting) await injectFault(t, kind, bare, own)
  }))
  // Node calls some from outside of the context of the service.
  for (const own of cases.filter(({ thrown }) => thrown === 0)) {
    loneCase = own
    await injectFault(t, kind, bare, own)
    t.ok(own.thrown > 0, `${nameOf(own.method)} was called`)
  }
  loneCase = undefined
  await keeper.close()
}

// Loaded with `--import` into every child of a supervisor, and into the processes below it, before the service itself.
import cluster from 'node:cluster'
import { constants } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { applicationChannel, supervisorChannel } from '../../supervisor-link.ts'
import type { PublishedApplication, PublishedSupervisor } from '../../supervisor-link.ts'
import { decimal, readVariable } from '../../util/given.ts'
import { messageOf } from '../../errors.ts'
import { stickyVariable, supervisorVariable } from '../../environment.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import { sharedState } from '../../process/shared.ts'
import { Descendants } from './descendants.ts'
import type { Ask, ChildState, MetricsText, Pass, Probed, Question, ShutdownMessage, Tell } from '../protocol.ts'
import { isOurs, longestMetrics, messageType, whisper } from '../protocol.ts'
import { PhaseStep } from './phase-step.ts'
import { takeConnections } from './connections.ts'
import { surviveParent, uncountListener } from '../../fastify/process-internals.ts'
import type { Channel } from '../../fastify/process-internals.ts'

/** Whether the parent is the supervisor; else it is some service that has forked this process. */
const isChild = process.env[supervisorVariable] === String(process.ppid)
const applications = new Set<PublishedApplication>()
/** All applications that there have been: their counts stay in the metrics. */
const metered = new Set<PublishedApplication>()
const step = new PhaseStep(tellState, () => isChild && isSignalled())
const descendants = new Descendants(onDescendant)
/** The applications whose end waits for the descendants. */
const waiting = new WeakSet<PublishedApplication>()
/** A supervisor in this very process. */
let nested: PublishedSupervisor | undefined

function adopt (application: PublishedApplication): void {
  if (applications.size === 0 && !isChild) listen()
  applications.add(application)
  metered.add(application)
  application.goWith((phase) => step.ask(phase))
  application.onPhase(() => {
    tellState()
    lead()
  })
  // An application that ended while others go on must not pass for the whole; the last one's end is the child's.
  void application.done.then((report) => {
    tell({ type: messageType, report })
    void readMetrics().then((metrics) => tell({ type: messageType, metrics }))
    if (applications.size > 1) applications.delete(application)
  })
  onDescendant()
}

/** The end of this process is that of the processes below it. */
function lead (): void {
  const ends = [...applications].map((application) => application.processEnd())
  const [first] = ends
  if (first === undefined || ends.includes(undefined) || leading) return
  leading = true
  process.on('exit', (code) => {
    const below = descendants.end()
    if (code === 0) process.exitCode = below
  })
  descendants.shutdown({ signal: signalOf(first.reason), elapsed: elapsed(), count: 1 })
}
let leading = false

/** How much of the time of a process with this environment is not there for those below, which have to end first. */
function elapsed (): number {
  const deadlines = [...applications].flatMap(({ graceful }) => graceful.deadline ?? [])
  const gracePeriod = (decimal(readVariable(process.env, 'TERMINATION_GRACE_PERIOD_SECONDS')) || 30) * 1000
  const preStop = (decimal(readVariable(process.env, 'PRESTOP_SECONDS')) || 0) * 1000
  return Math.max(0, gracePeriod - preStop - (Math.min(...deadlines) - Date.now()))
}

function onDescendant (): void {
  tellState()
  if (descendants.pids.length === 0) return
  for (const application of applications) {
    if (waiting.has(application)) continue
    waiting.add(application)
    application.graceful.stall('child processes', (phase) => phase === 'draining' && descendants.stalls())
  }
  for (const application of applications) application.wake()
}

/** The state as it is known, without asking any check. */
function stateNow (): ChildState {
  const phases = [...applications].map(({ graceful }) => graceful.phase)
  const [phase = nested?.phase] = phases.toSorted((a, b) => phaseNumber(a) - phaseNumber(b))
  const all = [...nested === undefined ? [] : [nested], ...applications]
  // A deadline exists from the moment an end was asked for.
  const ending = all.length > 0
    && all.every((one) => 'graceful' in one ? one.graceful.deadline !== undefined : one.ending)
  const ready = nested?.ready ?? isReady()
  return {
    phase,
    ready,
    ending,
    signalled: ending && isSignalled(),
    inStep: nested === undefined && applications.size > 0,
    waitsIn: step.waitsIn,
    descendants: [...descendants.pids, ...nested?.pids ?? []],
    gracePeriod: longestGrace(all),
    memory: process.memoryUsage.rss()
  }
}

/** An older copy of the package in the service does not tell. */
function longestGrace (all: ReadonlyArray<{ gracePeriod?: number }>): number | undefined {
  const known = all.flatMap(({ gracePeriod }) => gracePeriod ?? [])
  return known.length === 0 ? undefined : Math.max(...known)
}

function isSignalled (): boolean {
  return [...applications].some((application) => (application.processEnd()?.reason ?? '') in constants.signals)
}

function isReady (): boolean {
  return applications.size > 0 && [...applications].every((application) => application.publicStatus().ready)
    && isServing()
}

function isServing (): boolean {
  return [...applications].some((application) => application.serving())
}

async function askReadiness (): Promise<boolean> {
  const verdicts = await Promise.all([...applications].map((application) => application.verdict('readiness')))
  return verdicts.length > 0 && verdicts.every(({ ok }) => ok) && isServing()
}

function tellState (): void {
  tell({ type: messageType, state: stateNow() })
}

function tell (message: Tell): void {
  if (!process.connected) return
  if (isChild) process.send?.(message, undefined, undefined, () => {})
  else if ('state' in message) process.send?.({ cmd: whisper, state: message.state }, undefined, undefined, () => {})
}

async function answer (question: Exclude<Question, 'state' | 'metrics'>): Promise<unknown> {
  switch (question) {
    case 'status': return [...applications].map(({ graceful }) => graceful.status())
    case 'drain': return void [...applications].map((application) => application.drain())
    case 'undrain': return void [...applications].map((application) => application.undrain())
    case 'prestop': return void await Promise.all([...applications].map((application) => application.prestop()))
  }
}

/** Of those that have some, each within its bound. */
async function readMetrics (): Promise<MetricsText[]> {
  const texts = await Promise.all(
    [...metered].map(async (application) => application.metrics?.().catch(() => undefined))
  )
  return texts.flatMap((one) => one === undefined || one.text.length > longestMetrics ? [] : one)
}

async function onAsk ({ ask, id }: Ask): Promise<void> {
  try {
    if (ask === 'state') {
      const ready = await askReadiness()
      return tell({ type: messageType, id, state: { ...stateNow(), ready } })
    }
    if (ask === 'metrics') return tell({ type: messageType, id, metrics: await readMetrics() })
    tell({ type: messageType, id, answer: await answer(ask) ?? null })
  } catch (error) {
    tell({ type: messageType, id, error: messageOf(error) })
  }
}

function onMessage (message: unknown): void {
  if (isOurs(message)) {
    if ('ask' in message) return void onAsk(message as Ask)
    if ('probed' in message) return onProbed(message as Probed)
    step.pass((message as Pass).pass)
    for (const application of applications) application.wake()
  } else if (isShutdown(message)) {
    if (isChild) step.begin(message.together === true)
    // A second one makes haste, below as well. Whether it was one is known when the applications have got it.
    if (leading) process.nextTick(handHasteOn, signalOf(message.signal))
    // Each application has its own listener for this; without one, what remembers early signals is the only one there.
    if (isChild && applications.size === 0 && !(message.count === 1 && sharedState().early?.first !== undefined)) {
      process.kill(process.pid, signalOf(message.signal))
    }
  }
}

function handHasteOn (signal: NodeJS.Signals): void {
  if ([...applications].some(({ graceful }) => graceful.status().shutdown?.hurried !== undefined)) {
    descendants.shutdown({ signal, elapsed: elapsed(), count: 2 })
  }
}

/** An older copy of the package in the service does not look at it. */
function onProbed ({ probed }: Probed): void {
  for (const application of applications) application.probedElsewhere?.(probed)
}

function isShutdown (message: unknown): message is Partial<ShutdownMessage> {
  return message === 'shutdown' || (message as { type?: unknown } | null)?.type === 'shutdown'
}

function signalOf (name: unknown): NodeJS.Signals {
  return typeof name === 'string' && name in constants.signals ? name as NodeJS.Signals : 'SIGTERM'
}

/** The parent is gone. Nobody reads our output any more, and nobody starts us again: the end, in the usual phases. */
function onOrphaned (): void {
  step.end()
  if (applications.size === 0 && !cluster.isWorker) return
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  // Where the end is under way, a signal would be the second one, and make haste.
  if (!stateNow().ending) process.kill(process.pid, 'SIGTERM')
}

/** A process that does not serve must end by itself as it did before. */
function unref (): void {
  if (!isChild) uncountListener(process.channel as Channel | undefined)
}

function listen (): void {
  process.on('message', onMessage)
  unref()
}

// `--import` runs in worker threads and in the service's own forks again; only a process with a
// parent to lose is meant.
if (isMainThread && typeof process.send === 'function') {
  if (cluster.worker !== undefined) {
    surviveParent(cluster.worker)
    if (isChild && process.env[stickyVariable] === '1') takeConnections(tell)
    await import('../../process/early.ts')
  }
  descendants.watch()
  applicationChannel.subscribe((message) => adopt(message as PublishedApplication))
  supervisorChannel.subscribe((message) => {
    nested = message as PublishedSupervisor
    nested.onChange(tellState)
    tellState()
  })
  // Elsewhere not before there is an application: what comes before somebody listens is kept for the first who does.
  if (isChild) listen()
  process.once('disconnect', onOrphaned)
  unref()
  // What a parent says before this is lost: `node:cluster` listens for messages from the first
  // moment on, and throws ours away.
  tellState()
}

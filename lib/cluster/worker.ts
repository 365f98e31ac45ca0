// Loaded with `--import` into every child of a supervisor, before the service itself.
import cluster from 'node:cluster'
import { constants } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { applicationChannel } from '../channel.ts'
import type { PublishedApplication } from '../channel.ts'
import { messageOf } from '../errors.ts'
import { phaseNumber } from '../lifecycle/phase.ts'
import type { Ask, ChildState, Question, Tell } from './protocol.ts'
import { isOurs, messageType } from './protocol.ts'

const applications = new Set<PublishedApplication>()

function adopt (application: PublishedApplication): void {
  applications.add(application)
  application.onPhase(() => tell({ type: messageType, state: stateNow() }))
  // One that ended while others go on must not pass for the whole; the last one's end is the child's.
  void application.done.then(() => { if (applications.size > 1) applications.delete(application) })
}

/** The state as it is known, without asking any check. */
function stateNow (): ChildState {
  const phases = [...applications].map(({ graceful }) => graceful.phase)
  const [phase] = phases.toSorted((a, b) => phaseNumber(a) - phaseNumber(b))
  // A deadline exists from the moment an end was asked for.
  const ending = applications.size > 0 && [...applications].every(({ graceful }) => graceful.deadline !== undefined)
  return { phase, ready: isReady(), ending }
}

function isReady (): boolean {
  return applications.size > 0 && [...applications].every((application) => application.publicStatus().ready) && isServing()
}

function isServing (): boolean {
  return [...applications].some((application) => application.serving())
}

async function askReadiness (): Promise<boolean> {
  const verdicts = await Promise.all([...applications].map((application) => application.verdict('readiness')))
  return verdicts.length > 0 && verdicts.every(({ ok }) => ok) && isServing()
}

function tell (message: Tell): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

async function answer (question: Question): Promise<unknown> {
  switch (question) {
    case 'state': return undefined
    case 'status': return [...applications].map(({ graceful }) => graceful.status())
    case 'drain': return void [...applications].map((application) => application.drain())
    case 'undrain': return void [...applications].map((application) => application.undrain())
    case 'prestop': return void await Promise.all([...applications].map((application) => application.prestop()))
  }
}

async function onAsk ({ ask, id }: Ask): Promise<void> {
  try {
    if (ask === 'state') {
      const ready = await askReadiness()
      return tell({ type: messageType, id, state: { ...stateNow(), ready } })
    }
    tell({ type: messageType, id, answer: await answer(ask) ?? null })
  } catch (error) {
    tell({ type: messageType, id, error: messageOf(error) })
  }
}

function onMessage (message: unknown): void {
  if (isOurs(message)) void onAsk(message as Ask)
  // Each application has its own listener for this; without one, what remembers early signals is the only one there.
  else if (cluster.isWorker && applications.size === 0 && isShutdown(message)) raise(message.signal)
}

function isShutdown (message: unknown): message is { signal?: unknown } {
  return message === 'shutdown' || (message as { type?: unknown } | null)?.type === 'shutdown'
}

/** A real signal: whatever the service does about signals happens, also where it does not use the plugin. */
function raise (signal: unknown): void {
  process.kill(process.pid, typeof signal === 'string' && signal in constants.signals ? signal : 'SIGTERM')
}

/** The parent is gone. Nobody reads our output any more, and nobody starts us again: the end, in the usual phases. */
function onOrphaned (): void {
  if (applications.size === 0 && !cluster.isWorker) return
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  process.kill(process.pid, 'SIGTERM')
}

// `--import` runs in worker threads and in the service's own forks again; only a process with a parent to lose is meant.
if (isMainThread && typeof process.send === 'function') {
  // Node exits a worker in the very moment its parent dies, unless this is set.
  if (cluster.worker !== undefined) {
    cluster.worker.exitedAfterDisconnect = true
    await import('../process/early.ts')
  }
  applicationChannel.subscribe((message) => adopt(message as PublishedApplication))
  process.on('message', onMessage)
  process.once('disconnect', onOrphaned)
  // What a parent says before this is lost: `node:cluster` listens for messages from the first moment on, and throws ours away.
  tell({ type: messageType, state: stateNow() })
  // A fork of the service's own that does not serve must end by itself as it did before.
  if (!cluster.isWorker) {
    const channel = process.channel as { unrefCounted? (): void } | undefined
    // Once for each of the two listeners.
    channel?.unrefCounted?.()
    channel?.unrefCounted?.()
  }
}

import { AsyncResource, executionAsyncResource } from 'node:async_hooks'
import { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'
import { Server, Socket } from 'node:net'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { isDeployed, readDeveloper, supervisorVariable } from '../environment.ts'
import { activeHandles } from '../fastify/process-internals.ts'
import type { Channel } from '../fastify/process-internals.ts'
import { deferred } from '../util/promises.ts'
import { clearTimeout, setTimeout } from '../util/timers.ts'
import type { SharedState } from './shared.ts'

/** Any listener, of whatever event. */
export type Listener = (...parameters: never[]) => void

/** As much of a worker of `node:cluster` as is used. */
export interface ClusterWorker { disconnect: () => unknown }

/** The process as the registry sees it: signals, exit and clock come through here, so that tests can hold them. */
export interface Host {
  readonly events: {
    on (event: string, listener: Listener): unknown
    prependListener (event: string, listener: Listener): unknown
    off (event: string, listener: Listener): unknown
    listeners (event: string): Function[]
    rawListeners (event: string): Function[]
    getMaxListeners (): number
    setMaxListeners (most: number): unknown
    emit (event: string, ...parameters: unknown[]): boolean
    kill (target: number, signal?: string | number): unknown
    /** What the process ends with where it ends by itself, or where an `exit` listener has the last word. */
    exitCode: number | string | null | undefined
  }
  readonly clock: Clock
  /** Signals, crash handlers and exit belong to the main thread. */
  readonly mainThread: boolean
  /** Ends the process. */
  exit (code: number): void
  /**
   * Waits for so many milliseconds at most, until something is over, or nothing that is under way would keep the
   * process any longer.
   */
  linger (time: number, over?: Promise<void>): Promise<void>
  /** The number of a signal; undefined where the platform does not know it. */
  signalNumber (signal: string): number | undefined
  /** The name of a signal's number. */
  signalName (number: number): string | undefined
  /** Whether standard input is a terminal, so that SIGINT means Ctrl-C. */
  terminal (): boolean
  /** Whether an unhandled rejection ends the process: not with `--unhandled-rejections=warn` or `none`. */
  rejectionsAreFatal (): boolean
  /** The IPC channel to the parent, if there is one. */
  channel (): Channel | undefined
  /** What is open and would keep the process. */
  handles (): string[]
  /** This process as a worker of a `node:cluster`. Default: it is none. */
  readonly worker?: ClusterWorker | undefined
  /** What says that somebody develops the service, and waits for its next start. Default: nobody does. */
  readonly developer?: string | undefined
  /** Whether Ctrl-C at a terminal ends a trial: not in production, on a platform, below a supervisor. Default: no. */
  readonly isTrial?: boolean
}

/** The real process. */
export const systemHost: Host = {
  events: process as unknown as Host['events'],
  clock: systemClock,
  mainThread: isMainThread,
  exit: (code) => { process.exit(code) },
  linger,
  signalNumber: (signal) => (constants.signals as Record<string, number | undefined>)[signal],
  signalName: (number) => Object.entries(constants.signals).find(([, value]) => value === number)?.[0],
  // Reading `process.stdin` would create the stream.
  terminal: () => isatty(0),
  rejectionsAreFatal: () =>
    !/--unhandled-rejections[= ](?:none|warn)/.test([...process.execArgv, process.env['NODE_OPTIONS']].join(' ')),
  // Once it is closed Node shows `null`.
  channel: () =>
    typeof process.send === 'function' ? (process.channel as Channel | null | undefined) ?? undefined : undefined,
  handles: openHandles,
  worker: cluster.worker,
  developer: readDeveloper(),
  isTrial: !isDeployed() && !process.env[supervisorVariable]
}

/** More than this would fill the log. */
const most = 20

/**
 * Names what would have kept the process from ending by itself: sockets and servers by address,
 * children by file name, all else by its kind and number. No arguments, no environment, no content.
 */
export function openHandles (): string[] {
  const named = activeHandles().map(describe).filter((name) => name !== undefined)
  const kinds = process.getActiveResourcesInfo().filter((kind) => !describedKinds.has(kind))
  const names = [...named, ...kinds.map((kind) => kind.replace(/Wrap$/, ''))]
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  const lines = [...counts].map(([name, count]) => count === 1 ? name : `${count} x ${name}`)
  return lines.length > most ? [...lines.slice(0, most), `and ${lines.length - most} more`] : lines
}

/** Resources of these kinds are what `activeHandles` shows in more detail. */
const describedKinds = new Set([
  'TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'PipeServerWrap', 'TTYWrap', 'ProcessWrap'
])

function describe (handle: unknown): string | undefined {
  if (handle instanceof ChildProcess) {
    return `child process ${handle.pid ?? ''} (${(handle.spawnfile ?? '').split(/[\\/]/).pop()})`
  }
  if (handle instanceof Server) {
    const address = handle.address()
    if (typeof address === 'object' && address !== null) return `server on ${address.address}:${address.port}`
    return `server on ${address ?? 'no address'}`
  }
  if (handle instanceof Socket) {
    const { fd } = handle as { fd?: number }
    // Standard streams never keep a process that has nothing else to do.
    if (fd !== undefined && fd >= 0 && fd <= 2) return undefined
    if (handle.remoteAddress !== undefined) {
      return `socket ${handle.localAddress}:${handle.localPort} - ${handle.remoteAddress}:${handle.remotePort}`
    }
    return handle.connecting ? 'socket that is connecting' : 'pipe'
  }
  return undefined
}

async function linger (time: number, over?: Promise<void>): Promise<void> {
  const { promise, resolve } = deferred<void>()
  const stop = (): void => resolve()
  const timer = setTimeout(stop, time).unref()
  process.once('beforeExit', stop)
  void over?.then(stop)
  await promise
  clearTimeout(timer)
  process.off('beforeExit', stop)
}

/** A tick belongs to the context in which it was made, of an `AsyncLocalStorage` as well: this is nobody's. */
const nowhere = new AsyncResource('fastify-graceful')

/**
 * Holds one of the objects that `process.nextTick` makes, for as long as the process lives.
 *
 * V8 keeps the shape of an object only while there is one. Where it collects garbage while no tick
 * is pending, as at the end of a boot, the shape can be gone, and `nextTick`, whose object has
 * computed keys, is slow with any other: each tick takes five to seven times as long for the rest
 * of the process (Node 20 to 26, `bench/tick.js`), with or without this package.
 */
export function holdTick (shared: SharedState): void {
  if ('tick' in shared) return
  shared.tick = undefined
  nowhere.runInAsyncScope(() => process.nextTick(() => { shared.tick = executionAsyncResource() }))
}

import cluster from 'node:cluster'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { isDeployed, readDeveloper, supervisorVariable } from '../environment.ts'
import { openHandles } from './handles.ts'
import type { Channel } from '../fastify/process-internals.ts'

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

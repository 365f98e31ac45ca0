import { constants } from 'node:os'
import type { Phase } from '../lifecycle/phase.ts'
import type { Report } from '../lifecycle/report.ts'
import type { ProbeAnswers } from '../watchdog/protocol.ts'

/** What marks our own messages on an IPC channel that the application may use as well. */
export const messageType = 'fastify-graceful'

/** What a child tells of itself, unasked whenever its phase changes, and when asked. */
export interface ChildState {
  /** The phase that its slowest application is in; undefined while none has registered the plugin. */
  phase: Phase | undefined
  /** Whether it accepts connections and its readiness checks pass. */
  ready: boolean
  /** Whether it is on its way to its end, which a drain by hand is not. */
  ending: boolean
  /** Whether a signal has asked for that end: others may have got it, too. */
  signalled: boolean
  /** Whether it can go through its phases together with others. */
  inStep: boolean
  /** The phase that it has done with, and stays in until all others have, too. */
  waitsIn: Phase | undefined
  /** The processes below it that use the package. */
  descendants: number[]
  /** The longest grace period that one of its applications goes by, in milliseconds; undefined while there is none. */
  gracePeriod: number | undefined
  /** Its resident set, in bytes. Older copies do not tell. */
  memory?: number
}

/**
 * What a process below a child tells its parent, which is no supervisor but somebody's service. The prefix makes
 * it a message of Node's own kind: no listener for `message`, which would not know what to do with it, gets it.
 */
export interface Whisper { cmd: typeof whisper, state: ChildState }
export const whisper = 'NODE_FASTIFY_GRACEFUL'

/** From the parent: all have done with this phase. */
export interface Pass { type: typeof messageType, pass: Phase }

/** From the parent: probes that its own port has answered. Their times say how many milliseconds ago that was. */
export interface Probed { type: typeof messageType, probed: ProbeAnswers[] }

/** What a parent asks. */
export type Question =
  /** Its {@link ChildState}, after its readiness checks have run. */
  | 'state'
  /** The whole status of each application. */
  | 'status'
  /** What the metrics of each application say, as {@link MetricsText}. Older copies do not answer. */
  | 'metrics'
  /** As the admin routes of the same names; `prestop` answers when phase 1 could end. */
  | 'drain' | 'undrain' | 'prestop'

/** What a registry has written, as `prom-client` does. */
export interface MetricsText { text: string, type: string }

/** Characters of the metrics of one application that are handed on. */
export const longestMetrics: number = 2 ** 21

/** From the parent. The answer carries the same number. */
export interface Ask { type: typeof messageType, ask: Question, id: number }

/** From the parent, with a connection of one of the listeners, which the child answers with `taken`. */
export interface HandOver { cmd: typeof handOver, listener: string }
export const handOver = 'NODE_FASTIFY_GRACEFUL_CONNECTION'

/** From the child. */
export type Tell =
  | { type: typeof messageType, state: ChildState, id?: number }
  | { type: typeof messageType, report: Report }
  /** Asked, and unasked at its end. */
  | { type: typeof messageType, metrics: MetricsText[], id?: number }
  | { type: typeof messageType, answer: unknown, id: number }
  | { type: typeof messageType, error: string, id: number }
  /** On which listeners it takes the connections that its parent accepts. */
  | { type: typeof messageType, listens: string[] }
  /** Whether it has taken the last one. */
  | { type: typeof messageType, taken: boolean }

/** To the child, which understands it without us: see `docs/guides/signals.md`. */
export interface ShutdownMessage {
  type: 'shutdown'
  signal: NodeJS.Signals
  replaced: boolean
  /** Why it is replaced, where that is not a reload. */
  why?: string
  /** Whether it ends together with others, so that it waits for them at the end of each phase. */
  together?: boolean
  /** How much of the grace period is over, in milliseconds. */
  elapsed?: number
  /** Which order it is: 1 ends, 2 makes haste. What comes as a signal as well counts once. */
  count: 1 | 2
}

/** Whether a message is one of ours. */
export function isOurs (message: unknown): message is { type: typeof messageType } {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === messageType
}

/** How a child ended. */
export interface ChildEnd { code: number | null, signal: NodeJS.Signals | null }

/** Whether a signal is one of those by which people and process managers ask for an end. */
export function isRequest (signal: string | null | undefined): boolean {
  return signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP'
}

/** The exit code that a shell would show. */
export function codeOf ({ code, signal }: ChildEnd): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}

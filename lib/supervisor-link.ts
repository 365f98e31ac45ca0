import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { PublicStatus } from './status/model.ts'
import type { Graceful } from './graceful.ts'
import type { ProbeAnswers } from './watchdog/protocol.ts'
import type { CheckKind } from './health/options.ts'
import type { Lifecycle } from './lifecycle/lifecycle.ts'
import type { Stall } from './lifecycle/participants.ts'
import type { Phase } from './lifecycle/phase.ts'
import type { Report } from './lifecycle/report.ts'
import type { FrontObserver } from './traffic/front-observer.ts'

/** An application as a supervisor's code in its process sees it: what `app.graceful` does not offer to everybody. */
export interface PublishedApplication {
  readonly graceful: Graceful
  /** Settles when its end is over. */
  readonly done: Promise<Report>
  /** What it goes by, in milliseconds. */
  readonly gracePeriod: number
  /** What anyone may know. Asks nobody. */
  publicStatus (): PublicStatus
  /** Whether a server of it accepts connections. */
  serving (): boolean
  /** Runs the checks of a probe. */
  verdict (kind: CheckKind): Promise<{ ok: boolean }>
  /** Calls `listener` after each change of phase. */
  onPhase (listener: (phase: Phase) => void): void
  /** What asked for the end of the process; undefined until then, and where the process outlives the application. */
  processEnd (): { reason: string } | undefined
  /** Asks somebody outside the process, once nobody in it stalls a phase; {@link wake} when the answer has changed. */
  goWith (outside: (phase: Phase) => Stall | undefined): void
  wake (): void
  /**
   * Probes that somebody else has answered for the whole; times say how many milliseconds ago. Older copies have no
   * such method.
   */
  probedElsewhere? (answers: ProbeAnswers[]): void
  /** What its metrics say; undefined where it has none. Older copies have no such method. */
  metrics? (): Promise<{ text: string, type: string } | undefined>
  /** As the admin routes of the same names. */
  drain (): void
  undrain (): void
  prestop (): Promise<void>
}

/**
 * `fastify-graceful.application` of `node:diagnostics_channel`: every application is published on it
 * once, when it registers the plugin. The name is shared by all copies of the package in a process.
 */
export const applicationChannel: Channel = channel('fastify-graceful.application')

/** A supervisor as the code of another one sees it, in a process of which both are parent. */
export interface PublishedSupervisor {
  readonly phase: Phase
  readonly ready: boolean
  readonly ending: boolean
  /** What it goes by, in milliseconds. */
  readonly gracePeriod: number
  /** The processes that it has started. */
  readonly pids: readonly number[]
  onChange (listener: () => void): void
}

/** `fastify-graceful.supervisor`: as {@link applicationChannel}, for a supervisor that runs below another one. */
export const supervisorChannel: Channel = channel('fastify-graceful.supervisor')

/** Publishes a supervisor. Costs nothing where nobody subscribes. */
export function publishSupervisor (
  supervisor: {
    aggregate: Pick<PublishedSupervisor, 'phase' | 'ready' | 'onChange'>,
    pids: number[],
    stopping: boolean,
    settings: { gracePeriod: number }
  }
): void {
  if (!supervisorChannel.hasSubscribers) return
  supervisorChannel.publish({
    get phase () { return supervisor.aggregate.phase },
    get ready () { return supervisor.aggregate.ready },
    get ending () { return supervisor.stopping },
    get pids () { return supervisor.pids },
    gracePeriod: supervisor.settings.gracePeriod,
    onChange: (listener) => supervisor.aggregate.onChange(listener)
  } satisfies PublishedSupervisor)
}

/** As much of an application as is published. */
interface Parts extends Pick<PublishedApplication, 'publicStatus' | 'processEnd'> {
  outside: ((phase: Phase) => Stall | undefined) | undefined
  lifecycle: Pick<Lifecycle, 'done' | 'budget' | 'on' | 'poke' | 'drain' | 'undrain' | 'prestop'>
  traffic: { listeners: { open: boolean }, front: Pick<FrontObserver, 'answeredElsewhere'> }
  health: Pick<PublishedApplication, 'verdict'>
  telemetry: { text (): Promise<{ text: string, type: string } | undefined> }
}

/** Publishes an application. Costs nothing where nobody subscribes. */
export function publishApplication (application: Parts, graceful: Graceful): void {
  if (!applicationChannel.hasSubscribers) return
  const { lifecycle, traffic, health } = application
  applicationChannel.publish({
    graceful,
    done: lifecycle.done,
    gracePeriod: lifecycle.budget.gracePeriod,
    publicStatus: () => application.publicStatus(),
    serving: () => traffic.listeners.open,
    verdict: (kind) => health.verdict(kind),
    onPhase: (listener) => lifecycle.on('phase', listener),
    processEnd: () => application.processEnd(),
    goWith: (outside) => { application.outside = outside },
    wake: () => lifecycle.poke(),
    probedElsewhere: (answers) => { for (const answer of answers) traffic.front.answeredElsewhere(answer) },
    metrics: () => application.telemetry.text(),
    drain: () => lifecycle.drain(),
    undrain: () => lifecycle.undrain(),
    prestop: () => lifecycle.prestop()
  } satisfies PublishedApplication)
}

import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { PublicStatus } from './admin/status.ts'
import type { Graceful } from './api.ts'
import type { CheckKind } from './health/options.ts'
import type { Lifecycle } from './lifecycle/lifecycle.ts'
import type { Phase } from './lifecycle/phase.ts'
import type { Report } from './lifecycle/report.ts'

/** An application as a supervisor's code inside its process sees it: what `app.graceful` does not offer to everybody. */
export interface PublishedApplication {
  readonly graceful: Graceful
  /** Settles when its end is over. */
  readonly done: Promise<Report>
  /** What anyone may know. Asks nobody. */
  publicStatus (): PublicStatus
  /** Whether a server of it accepts connections. */
  serving (): boolean
  /** Runs the checks of a probe. */
  verdict (kind: CheckKind): Promise<{ ok: boolean }>
  /** Calls `listener` after each change of phase. */
  onPhase (listener: (phase: Phase) => void): void
  /** As the admin routes of the same names. */
  drain (): void
  undrain (): void
  prestop (): Promise<void>
}

/**
 * `fastify-graceful.application` of `node:diagnostics_channel`: every application is published on it once, when it registers the
 * plugin. The name is shared by all copies of the package in a process.
 */
export const applicationChannel: Channel = channel('fastify-graceful.application')

/** As much of an application as is published. */
interface Parts extends Pick<PublishedApplication, 'publicStatus'> {
  lifecycle: Pick<Lifecycle, 'done' | 'onPhase' | 'drain' | 'undrain' | 'prestop'>
  traffic: { listeners: { open: boolean } }
  health: Pick<PublishedApplication, 'verdict'>
}

/** Publishes an application. Costs nothing where nobody subscribes. */
export function publishApplication (application: Parts, graceful: Graceful): void {
  if (!applicationChannel.hasSubscribers) return
  const { lifecycle, traffic, health } = application
  applicationChannel.publish({
    graceful,
    done: lifecycle.done,
    publicStatus: () => application.publicStatus(),
    serving: () => traffic.listeners.open,
    verdict: (kind) => health.verdict(kind),
    onPhase: (listener) => lifecycle.onPhase(listener),
    drain: () => lifecycle.drain(),
    undrain: () => lifecycle.undrain(),
    prestop: () => lifecycle.prestop()
  } satisfies PublishedApplication)
}

import type { MissingPart } from '../../fastify/process-internals.ts'
import { platformLine } from '../../platform/surroundings.ts'
import { counted } from '../../util/text.ts'
import type { SupervisorSettings } from '../options.ts'
import type { Child } from './child.ts'
import type { SupervisorLog } from './terminal.ts'

/** What the supervisor says of its children, and of itself. */
export class Lines {
  readonly #log: SupervisorLog

  constructor (log: SupervisorLog) {
    this.#log = log
  }

  starts (settings: SupervisorSettings): void {
    const { script, workers, gracePeriod, childGracePeriod } = settings
    this.#log.info(
      { event: 'graceful.supervisor.start', script, workers, gracePeriod, childGracePeriod },
      `supervisor starts ${workers} ${workers === 1 ? 'child' : 'children'}`
    )
    const line = platformLine({ ...settings, announceMin: undefined })
    if (line !== undefined) this.#log[line.level](line.fields, line.message)
  }

  isInit (): void {
    this.#log.info(
      { event: 'graceful.supervisor.init' },
      'supervisor is process 1: it ends and reaps its children, but not the processes that these leave '
        + 'behind. If they start any, start an init before it: docker run --init, tini, or '
        + 'shareProcessNamespace in a pod'
    )
  }

  /** Node does not show what makes the listeners of children. */
  keepsNone ({ part, instead }: MissingPart): void {
    this.#log.warn(
      { event: 'graceful.internals' },
      `a private part of Node that the supervisor uses is missing in Node ${process.versions.node}. It continues `
        + `without: ${part} (${instead})`
    )
  }

  spawned ({ place, pid }: Child): void {
    this.#log.info(
      { event: 'graceful.supervisor.spawn', child: place, childPid: pid },
      `child ${place} ${pid === undefined ? 'cannot be started' : `starts as process ${pid}`}`
    )
  }

  /** A child has not been ready for so many milliseconds. */
  late (child: Child, timeout: number): void {
    const { place, pid, lastWords } = child
    this.#log.error(
      { event: 'graceful.supervisor.late', child: place, childPid: pid, lastWords },
      `child ${place} (process ${pid}) was not ready within ${timeout} ms: ${whyNotReady(child)}`
    )
  }

  /** A child is killed that has not ended within so many milliseconds. */
  killed ({ place, pid, state: { phase } }: Child, timeout: number): void {
    this.#log.error(
      { event: 'graceful.supervisor.kill', child: place, childPid: pid, phase },
      `child ${place} (process ${pid}) did not end within ${timeout} ms, in phase '${phase ?? 'unknown'}': killed`
    )
  }

  /** A child has left processes behind. */
  orphaned ({ place, pid }: Child, pids: readonly number[]): void {
    this.#log.warn(
      { event: 'graceful.supervisor.orphans', child: place, childPid: pid, pids },
      `child ${place} (process ${pid}) has left processes behind: ${pids.join(', ')}`
    )
  }

  /** The processes that a child had left behind took too long. */
  orphansKilled ({ place, pid }: Child, pids: readonly number[]): void {
    this.#log.error(
      { event: 'graceful.supervisor.kill', child: place, childPid: pid, pids },
      `processes that child ${place} (process ${pid}) left behind did not end in time: killed ${pids.join(', ')}`
    )
  }

  shutsDown (reason: string, children: number): void {
    this.#log.info({ event: 'graceful.supervisor.shutdown', reason, children }, `supervisor shuts down: ${reason}`)
  }

  /** Lines of output were lost at the end, because nobody read them. */
  dropped (lines: number): void {
    this.#log.warn(
      { event: 'graceful.supervisor.dropped', lines },
      `${counted(lines, 'line', 'lines')} of the output ${lines === 1 ? 'was' : 'were'} dropped: `
        + 'its reader had stopped reading'
    )
  }

  ends (exitCode: number): void {
    this.#log.info({ event: 'graceful.supervisor.end', exitCode }, `supervisor ends with code ${exitCode}`)
  }
}

/** Why a child is not ready, as far as the supervisor can tell. */
export function whyNotReady ({ state, responding }: Child): string {
  if (!responding) return 'it does not respond, so its event loop is blocked'
  if (state.phase === undefined) return 'it has not registered fastify-graceful'
  return 'it does not listen yet, or a readiness check fails'
}

/** Says once that a service goes by a longer grace period than its supervisor leaves it. */
export class GraceWarning {
  readonly #settings: SupervisorSettings
  readonly #log: SupervisorLog
  #said = false

  constructor (settings: SupervisorSettings, log: SupervisorLog) {
    this.#settings = settings
    this.#log = log
  }

  look ({ state: { gracePeriod: own } }: Pick<Child, 'state'>): void {
    const { gracePeriod, preStop, childGracePeriod, childTimeout } = this.#settings
    if (this.#said || own === undefined || own <= childGracePeriod) return
    this.#said = true
    const killedAfter = childGracePeriod + childTimeout - preStop
    this.#log.warn(
      { event: 'graceful.supervisor.gracePeriod', own, gracePeriod, childGracePeriod, killedAfter },
      `the service's own gracePeriod is ${own} ms, but the supervisor's of ${gracePeriod} ms (--grace) `
        + `leaves a child ${childGracePeriod} ms. The supervisor's applies: a child that has not ended after `
        + `${killedAfter} ms is killed. Remove the service's, or raise --grace`
    )
  }
}

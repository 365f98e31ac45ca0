import cluster from 'node:cluster'
import { fstatSync } from 'node:fs'
import { publishSupervisor } from '../supervisor-link.ts'
import { errors, messageOf } from '../errors.ts'
import { own } from '../util/given.ts'
import { deafAncestor, deafAncestorMessage } from '../process/ancestors.ts'
import { tellPm2 } from '../process/pm2.ts'
import { within } from '../util/promises.ts'
import { jsonLog, outputStream } from './parent/terminal.ts'
import type { SuperviseOptions } from './options.ts'
import { readSuperviseOptions } from './read-options.ts'
import { Sink } from './parent/output.ts'
import type { Sinks } from './parent/output.ts'
import { preloadFile, setupChildren } from './parent/spawn.ts'
import { checkScript } from './parent/script.ts'
import { SupervisorSignals } from './parent/signals.ts'
import { notifySystemd } from './parent/systemd.ts'
import { openStatus } from './parent/port.ts'
import type { OpenStatus } from './parent/port.ts'
import { statusOf } from './parent/status.ts'
import type { SupervisorStatus } from './parent/status.ts'
import { Supervisor } from './parent/supervisor.ts'

export type { SupervisorLog } from './parent/terminal.ts'
export type { SuperviseOptions, SupervisorOptions } from './options.ts'
export type { ChildStatus, EndedChild, SupervisorStatus } from './parent/status.ts'

/** A running supervisor. */
export interface Supervised {
  /** Settles with the exit code when the last child is gone and all it wrote was forwarded. */
  readonly done: Promise<number>
  /**
   * Where the status routes are, once they are open; undefined where they were not asked for. Rejects with
   * FST_GRACEFUL_SUPERVISOR where they cannot be opened: no child is started then, and `done` settles with 1.
   */
  readonly statusAddress: Promise<string | undefined>
  /** Replaces every child, one after the other. A second call meanwhile is done once more afterwards. */
  reload (reason?: string): void
  /** The end of all, in the phases. The first reason and the first exit code win. */
  shutdown (options?: { reason?: string, exitCode?: number }): Promise<number>
  /** Every child with its phase, its requests in flight and its restarts. */
  status (): Promise<SupervisorStatus>
}

/** How long the last lines may take, in milliseconds. */
const flushTimeout = 500

let running = false

/**
 * Starts a service in several processes that share its listeners, and keeps it running: SIGTERM and
 * SIGINT go down the tree, SIGHUP replaces one child after the other.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_BUDGET,
 * FST_GRACEFUL_INVALID_ENVIRONMENT
 * @throws FST_GRACEFUL_SUPERVISOR a supervisor runs in this process already, or this process is itself a child of
 * `node:cluster`, or a bundle holds this module and not the file that each child loads
 */
export function supervise (options: SuperviseOptions): Supervised {
  const { settings, log, signals, exit } = readSuperviseOptions(options, process.env)
  if (running) throw new errors.FST_GRACEFUL_SUPERVISOR('one supervisor per process', 'a second one')
  if (!cluster.isPrimary) {
    throw new errors.FST_GRACEFUL_SUPERVISOR('a process that is no child of node:cluster', 'such a child')
  }
  checkScript(settings.script)
  const preload = preloadFile()
  running = true
  const stdout = new Sink(outputStream(1))
  // Where both end in one pipe (2>&1, the journal), two writers would cut each other's lines.
  const sinks = { stdout, stderr: isSameFile(1, 2) ? stdout : new Sink(outputStream(2)) }
  const ownLog = jsonLog({ write: (line) => (stdout.stuck ? sinks.stderr : stdout).write(line) })
  const supervisor = new Supervisor(settings, sinks, log ?? ownLog)
  publishSupervisor(supervisor)
  const listeners = new SupervisorSignals(supervisor, (code) => { process.exit(code) })
  if (signals) {
    listeners.install()
    const deaf = deafAncestor()
    if (deaf !== undefined) supervisor.log.warn({ event: 'graceful.parent' }, deafAncestorMessage(deaf))
  }
  const unnotify = notifySystemd(supervisor)
  setupChildren(settings, preload)
  const status = settings.status === undefined ? Promise.resolve(undefined) : openStatus(supervisor, settings.status)
  const done = end(supervisor, status, sinks, () => {
    // A process that is about to exit keeps its listeners: without one a signal would end it, with another code.
    if (!exit) listeners.uninstall()
    unnotify()
    for (const sink of new Set(Object.values(sinks))) sink.release()
    running = false
  })
  status.then(() => { if (!supervisor.stopping) supervisor.start() }, (error: unknown) => {
    const problem = messageOf(error)
    supervisor.log.error({ event: 'graceful.supervisor.status', problem }, problem)
    void supervisor.shutdown({ reason: 'no status routes', exitCode: 1, problem })
  })
  const statusAddress = status.then((open) => open?.address)
  // The log and the exit code have told it; whoever does not ask for the address must not end by that.
  statusAddress.catch(() => {})
  void tellPm2(() => supervisor.stopping ? undefined : supervisor.aggregate.started)
  if (exit) void done.then((code) => { process.exit(code) })
  return {
    done,
    statusAddress,
    reload: (reason = 'reload()') => supervisor.reload(reason),
    shutdown: (given = {}) => {
      const { reason = 'shutdown()', exitCode = 0 } = own(given)
      return supervisor.shutdown({ reason, exitCode })
    },
    status: () => statusOf(supervisor)
  }
}

async function end (
  supervisor: Supervisor,
  status: Promise<OpenStatus | undefined>,
  sinks: Sinks,
  clean: () => void
): Promise<number> {
  const code = await supervisor.done
  const timeout = Math.min(flushTimeout, supervisor.remaining / 3)
  await within(status.then((open) => open?.close(code)).catch(() => {}), timeout)
  await Promise.all([sinks.stdout.flush(timeout), sinks.stderr.flush(timeout)])
  const lost = [...new Set(Object.values(sinks))].reduce((sum, sink) => sum + sink.lost, 0)
  if (lost > 0) {
    supervisor.lose(lost, code)
    await sinks.stderr.flush(timeout)
  }
  clean()
  return code
}

function isSameFile (one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)]
    return a.dev === b.dev && a.ino === b.ino
  } catch {
    return false
  }
}

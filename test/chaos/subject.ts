import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { endWithUs } from '../../lib/drill/processes.ts'
import { early, fork } from '../process/fork.ts'
import { readLines } from '../support/lines.ts'
import { start } from '../supervisor/tree.ts'
import type { End, Line } from './observation.ts'
import type { Plan } from './plan.ts'

/** What is under test: a service, or the supervisor of one. */
export interface Subject {
  readonly child: ChildProcess
  readonly pid: number
  /** When it was started, of `performance.now()`. */
  readonly begun: number
  readonly lines: Line[]
  /** Settles when it has ended and all it wrote has been read. */
  readonly ended: Promise<End & { at: number }>
  /** Settles when its process is gone; what it has left behind may be there. */
  readonly gone: Promise<unknown>
  isOver (): boolean
  /** Settles with a line that matches, or with undefined when it ends without one. */
  saw (pattern: RegExp): Promise<RegExpExecArray | undefined>
  /** The process that has a place in the tree by now. */
  childAt (place: number): number | undefined
  /** All processes that were ever told of. */
  pids (): number[]
  kill (): void
}

const service = fileURLToPath(new URL('fixtures/service.js', import.meta.url))
const mark = new URL('fixtures/early-mark.js', import.meta.url).href

/** What the service is given. */
export interface Given {
  /** Where its logger writes to; absent: standard output. */
  file?: string
  /** A file that whoever does its fault first makes. */
  once: string
  /** A fault of the service that has to be found. */
  plant?: string
}

/** Starts what a plan says. `ends` are called when it is over. */
export function startSubject (plan: Plan, given: Given, ends: Array<() => unknown>): Subject {
  const { shape, workers, gracePeriod, isEarly, boot, logger, faults } = plan
  const options = {
    ...shape === 'service' && { gracePeriod },
    // Clients here hang up before, so that no request crosses the close of an idle connection on the wire.
    drain: { idle: 2000 },
    signals: { SIGHUP: plan.hangUp, ...plan.user2 === 'restart' && { SIGUSR2: 'restart' } },
    restartExitCode: plan.restartExitCode,
    watchdog: { enabled: plan.watchdog }
  }
  const whole = { ...given, options, boot, logger, faults }
  const begun = performance.now()
  if (shape === 'tree') {
    const args = ['run', '--workers', String(workers), '--grace', `${gracePeriod}ms`, service, JSON.stringify(whole)]
    const tree = start({ teardown: (end: () => unknown) => { ends.push(end) } }, args, {
      merged: true,
      within: 'group'
    })
    return watch(tree.child, begun, tree.result)
  }
  const node = isEarly ? [...early, '--import', mark] : []
  const { child, result } = fork('../../chaos/fixtures/service.js', {
    given: whole,
    node,
    under: ['setsid', 'sh', '-c', 'exec "$@" 2>&1', 'sh'],
    ipc: true,
    timeout: 120_000
  })
  ends.push(() => child.kill('SIGKILL'))
  return watch(child, begun, result)
}

/** The code and the signal that a process has ended with. */
type Result = readonly [code: number | null, signal: string | null, ...unknown[]]

function watch (child: ChildProcess, begun: number, result: Promise<Result>): Subject {
  endWithUs(child, true)
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  let goneAt: number | undefined
  readLines(child.stdout!, (text) => {
    const at = performance.now() - begun
    for (const line of text.split('\n')) if (line !== '') lines.push({ at, text: line })
    for (const look of waiting) look()
  })
  child.once('exit', () => {
    goneAt = performance.now() - begun
    for (const look of waiting) look()
  })
  const ended = result.then(([code, signal]) => ({ code, signal, at: goneAt ?? performance.now() - begun }))
  const saw = (pattern: RegExp): Promise<RegExpExecArray | undefined> => new Promise((resolve) => {
    let next = 0
    const look = (): void => {
      let match: RegExpExecArray | null = null
      while (match === null && next < lines.length) match = pattern.exec(lines[next++]!.text)
      if (match === null && goneAt === undefined) return
      waiting.delete(look)
      resolve(match ?? undefined)
    }
    waiting.add(look)
    look()
  })
  const spawned = (): Array<{ child: number, childPid: number }> => lines
    .filter(({ text }) => text.includes('"graceful.supervisor.spawn"'))
    .map(({ text }) => JSON.parse(text) as { child: number, childPid: number })
  return {
    child, begun, lines, ended, saw,
    gone: once(child, 'exit'),
    pid: child.pid!,
    isOver: () => goneAt !== undefined,
    childAt: (place) => spawned().findLast((each) => each.child === place)?.childPid,
    pids: () => [child.pid!, ...spawned().map(({ childPid }) => childPid)],
    kill: () => child.kill('SIGKILL')
  }
}

import { constants } from 'node:os'
import { actionOf, longestWork } from './model.ts'
import type { PossibleEnd, Situation } from './model.ts'
import { childEnds, markOf } from './observation.ts'
import type { End, Observation, Told } from './observation.ts'

// What docs/guides/supervisor.md says of signals.

const duplicateWindow = 1000
const atOnce = 1000
/** How long the end of a tree may take beside what is served: a child may be starting, and others wait for it. */
const manners = 6000
const hurried = 6000

const number = (signal: string): number => constants.signals[signal as NodeJS.Signals]

interface State {
  count: number
  first: number | undefined
  second: number | undefined
  counted: ReadonlyMap<string, number>
}

/** The ends that a supervisor may have. None means that it has to go on. */
export function supervisorEnds ({ plan, told, sent, end, slack }: Situation): PossibleEnd[] {
  const ends: PossibleEnd[] = []
  const start = markOf(told, 'started')
  const add = (possible: End, by: number, count: number, why: string): void => {
    ends.push({ ...possible, by, count, why, reports: 'none' })
  }
  const next = (index: number, state: State): void => {
    const signal = sent[index]
    if (signal === undefined) {
      const { count, first, second } = state
      if (first === undefined) return
      const alone = first + longestWork(plan) + plan.boot + manners
      const by = Math.min(alone, second === undefined ? Infinity : second + hurried)
      for (const code of lastCodes(told)) add({ code, signal: null }, by, count, `${count} signals`)
      return
    }
    const { name, at } = signal
    const goOn = (changes: Partial<State> = {}): void => next(index + 1, { ...state, ...changes })
    const dies = (): void => add({ code: null, signal: name }, at + atOnce, state.count, `${name} kills`)
    // It listens for three.
    const action = name === 'SIGUSR2' ? 'lethal' : actionOf({ ...plan, hangUp: 'restart' }, name)
    if (action === 'harmless') {
      if (start === undefined) dies()
      return goOn()
    }
    if (action === 'lethal') {
      dies()
      if (state.count > 0) goOn()
      return
    }
    if (start === undefined) {
      dies()
      return goOn()
    }
    if (action === 'restart') return goOn()
    const last = state.counted.get(name)
    if (last !== undefined && at - last - slack < duplicateWindow) goOn()
    if (last !== undefined && at - last + slack < duplicateWindow) return
    const counted = new Map([...state.counted, [name, at]])
    const count = state.count + 1
    if (count === 1) return goOn({ count, counted, first: at })
    if (count === 2) return goOn({ count, counted, second: at })
    add({ code: 128 + number(name), signal: null }, at + atOnce, 3, 'a third signal')
    if (end.at - at <= atOnce + slack) goOn()
  }
  next(0, { count: 0, first: undefined, second: undefined, counted: new Map() })
  return ends
}

/** What the children allow for: the first of them that failed when all ended, or 0 where none did. */
function lastCodes (told: Told): Set<number> {
  const begin = told.log.findIndex(({ event }) => event === 'graceful.supervisor.shutdown')
  const failed = [...childEnds({ ...told, log: told.log.slice(begin) }).values()].filter(({ code }) => code !== 0)
  // One that a signal has ended in its boot has not failed. A child that had to be killed counts as 1.
  const codes = failed.map(({ code, signal }) => code ?? 128 + number(signal!))
  const isSure = failed.some(({ signal }) => signal === null)
  return new Set([...isSure ? [] : [0], ...codes, ...failed.length > 0 ? [1] : []])
}

/** What may have become of a child. */
export interface ChildBounds {
  /** Whether some of what it has served may have been cut. */
  mayHurry: boolean
  mayBeKilled: boolean
  codes: Set<number>
  signals: Set<string>
  reports: PossibleEnd['reports']
}

/** What may have become of a child of a tree, from what was sent to it and to all. */
export function childBounds ({ plan, sent, pid: main }: Observation, told: Told, treeCount: number): ChildBounds {
  const own = sent.filter(({ target, pid }) => target === 'group' || (target === 'child' && pid === told.pid))
  const actions = own.map(({ name }) => actionOf(plan, name))
  const orders = actions.filter((action) => action === 'shutdown' || action === 'restart').length
  const isReloaded = sent.some(({ name, pid, target }) => name === 'SIGHUP' && (pid === main || target === 'group'))
  const mostCounted = orders + treeCount + (isReloaded ? 1 : 0)
  const crash = markOf(told, 'exception') ?? markOf(told, 'rejection')
  const isRegistered = markOf(told, 'registered') !== undefined
  const codes = new Set([0])
  if (actions.includes('restart')) codes.add(plan.restartExitCode)
  if (crash !== undefined || mostCounted > 1) codes.add(1)
  for (const { name } of own) if (mostCounted > 2 || !isRegistered) codes.add(128 + number(name))
  if (mostCounted > 2) for (const name of ['SIGTERM', 'SIGINT']) codes.add(128 + number(name))
  const lethal = own.filter((_, index) => actions[index] === 'lethal').map(({ name }) => name as string)
  const signals = new Set([...lethal, ...treeCount > 2 ? ['SIGKILL'] : []])
  if (!isRegistered) for (const { name } of sent) signals.add(name)
  const hasCrashedInBoot = crash !== undefined && (markOf(told, 'listening')?.at ?? Infinity) > crash.at
  return {
    codes, signals,
    mayHurry: mostCounted > 1,
    mayBeKilled: signals.size > 0,
    reports: !isRegistered || mostCounted > 2 || hasCrashedInBoot ? 'any' : 'one'
  }
}

import { constants } from 'node:os'
import { errors, invalidOption } from '../errors.ts'
import { shorten } from '../util/text.ts'
import type { SignalAction } from './types.ts'
import { nothing } from '../util/given.ts'
import { oneOf } from '../rules.ts'

/**
 * Signals of Node's documentation that some platforms have: an option that names one of them is
 * portable, and acts where there is one.
 */
const elsewhere = [
  'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGCHLD', 'SIGCONT',
  'SIGTSTP', 'SIGWINCH', 'SIGPWR', 'SIGBREAK', 'SIGINFO', 'SIGLOST', 'SIGUNUSED'
]

/** No process can handle these. */
const deaf = ['SIGKILL', 'SIGSTOP']

const actions = ['shutdown', 'restart', 'ignore', false] as const

/** How many letters of a name may be wrong, and how many it has at least: `SIG` alone is near to many. */
const close = { mistakes: 2, length: 5 }
const longestName = 20
/** What is meant most often comes first among those that are equally near. */
const common = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGQUIT']

function isOfThisPlatform (name: string): boolean {
  return Object.hasOwn(constants.signals, name)
}

/**
 * Refuses names that are no signal, and actions that do not exist.
 *
 * @throws FST_GRACEFUL_UNKNOWN_OPTION a name that Node knows on no platform
 * @throws FST_GRACEFUL_INVALID_OPTION
 */
export function refuseSignals (signals: Readonly<Record<string, unknown>> = nothing): void {
  const known = [...new Set([...common, ...Object.keys(constants.signals), ...elsewhere])]
    .filter((name) => !deaf.includes(name))
  for (const [name, action] of Object.entries(signals)) {
    const option = `signals.${name}`
    if (deaf.includes(name)) throw invalidOption(option, 'left out: no process can handle it', action)
    if (!known.includes(name)) {
      const meant = nearest(name, known)
      const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`
      throw new errors.FST_GRACEFUL_UNKNOWN_OPTION(`'${shorten(option)}'${hint}`, known.toSorted().join(', '))
    }
    if (!actions.includes(action as SignalAction)) throw invalidOption(option, oneOf(...actions).expected, action)
  }
}

type GivenSignals = Readonly<Record<string, SignalAction>>

/** Without the signals that this platform does not have. */
export function ofThisPlatform (signals: GivenSignals = nothing): Record<string, SignalAction> {
  return Object.fromEntries(Object.entries(signals).filter(([name]) => isOfThisPlatform(name)))
}

/** The name that was meant: in other letters, without its beginning, by its number, or with few mistakes. */
function nearest (given: string, known: readonly string[]): string | undefined {
  // Nobody means a signal with a longer one.
  if (given.length > longestName) return undefined
  const name = given.trim().toUpperCase()
  const exact = known.find((candidate) =>
    candidate === name || candidate === `SIG${name}`
    || (isOfThisPlatform(candidate) && `${constants.signals[candidate as NodeJS.Signals]}` === name)
  )
  if (exact !== undefined || name.length < close.length) return exact
  const [best] = known.map((candidate) => ({ candidate, mistakes: mistakesBetween(name, candidate) }))
    .toSorted((a, b) => a.mistakes - b.mistakes)
  return best !== undefined && best.mistakes <= close.mistakes ? best.candidate : undefined
}

/** How many letters have to be put in, taken out, changed, or exchanged with their neighbour. */
function mistakesBetween (a: string, b: string): number {
  const rows = `-${a}`.split('').map((_letter, row) =>
    `-${b}`.split('').map((_other, column) => row === 0 ? column : column === 0 ? row : 0))
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Infinity
  for (let row = 1; row <= a.length; row++) {
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      rows[row]![column] = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + cost,
        swapped ? at(row - 2, column - 2) + 1 : Infinity
      )
    }
  }
  return at(a.length, b.length)
}

import type { Environment } from '../environment.ts'
import type { Floors } from '../lifecycle/budget.ts'
import { decimal } from '../util/decimal.ts'
import { longestTimer } from '../util/limits.ts'
import { readVariable } from '../util/own.ts'
import { platforms } from './detect.ts'
import type { Platform } from './detect.ts'

/** What is taken for the time to SIGKILL where nobody says anything, in milliseconds. */
export const unknownGracePeriod = 30_000
/** The shortest grace period there is. */
const shortest = 1000

/** Where the process runs, as far as it matters for its end. */
export interface Surroundings {
  /** What says who is in front: a platform, or a process manager without one. Undefined: nobody knows. */
  place: Platform | undefined
  /** It, and the process managers inside of it. */
  all: readonly Platform[]
  /** Whether somebody has named it. */
  isNamed: boolean
  /** Whether anybody wants to know: not with `platform: false`. */
  wanted: boolean
  /** What is taken for the time to SIGKILL, in milliseconds. */
  gracePeriod: number
  /** The one that kills first. */
  killer: Platform | undefined
}

/**
 * What counts of the platforms that were recognised. Who is named is alone. A process manager does not hide the
 * platform that it runs on, and who kills first counts. More than {@link unknownGracePeriod} is taken only from who is
 * named or shows it: a default may have been lowered.
 *
 * @param options of them `platform`, which is `'auto'`, a name, or `false`, and whether `kubernetes` is out of the
 * question
 */
export function surroundingsOf (
  { platform = 'auto', kubernetes }: { platform?: string | false, kubernetes?: object | false },
  { recognised, env }: Pick<Environment, 'recognised' | 'env'>
): Surroundings {
  const isWanted = ({ name }: Platform): boolean => kubernetes !== false || name !== 'kubernetes'
  const isNamed = platform !== 'auto' && platform !== false
  const all = platform === 'auto'
    ? counted(recognised.filter(isWanted))
    : platforms.filter((one) => one.name === platform && isWanted(one))
  const place = placeOf(all)
  const times = all.map((one) => ({ one, time: timeOf(one, isNamed, env) }))
  const { one: killer, time: gracePeriod } = times.toSorted((a, b) => a.time - b.time)[0]
    ?? { one: undefined, time: unknownGracePeriod }
  return { place, all, isNamed, wanted: platform !== false, gracePeriod, killer }
}

/** What a deployment gives, or Platformatic's runtime, which kills sooner; undefined where nobody says anything. */
export function deployedGracePeriod (
  deployed: number | undefined,
  { platformatic }: Pick<Environment, 'platformatic'>,
  { all }: Surroundings
): number | undefined {
  const isBelow = all.some(({ name }) => name === 'platformatic')
  return deployed && Math.min(deployed, isBelow ? platformatic?.gracePeriod ?? Infinity : Infinity)
}

/** The floors of phase 1 where this is in front. */
export function floorsOf (place: Platform | undefined): Floors {
  const [min = 0, blind = 0] = place?.late ?? []
  return { min: min * 1000, blind: blind * 1000 }
}

function counted (recognised: readonly Platform[]): Platform[] {
  const place = placeOf(recognised)
  return recognised.filter((one) => one === place || one.manager === true)
}

function placeOf (all: readonly Platform[]): Platform | undefined {
  return all.find(({ manager }) => manager !== true) ?? all[0]
}

function timeOf ({ grace, shown }: Platform, isNamed: boolean, env: NodeJS.ProcessEnv): number {
  const given = shown && decimal(readVariable(env, shown.variable)) * shown.unit
  const known = given !== undefined && given >= 0
    ? given
    : Math.min(grace * 1000, isNamed ? Infinity : unknownGracePeriod)
  return Math.min(longestTimer, Math.max(shortest, known))
}

/** The names, as the status and the log have them: `'ecs'`, `'pm2 on ecs'`. */
export function nameOf ({ place, all }: Surroundings): string | undefined {
  const managers = all.filter((one) => one !== place)
  return place && [...managers, place].map(({ name }) => name).join(' on ')
}

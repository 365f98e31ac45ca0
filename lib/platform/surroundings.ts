import type { Environment } from '../environment.ts'
import type { Floors } from '../lifecycle/budget.ts'
import { decimal, longestTimer, readVariable } from '../util/given.ts'
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

/** Who says how long the grace period is; `yielded`: what the platform gives did not fit what was said. */
export type GraceSource = 'given' | 'platform' | 'yielded'

/** What the line at boot is made of. */
export interface PlatformFacts {
  surroundings: Surroundings
  graceFrom: GraceSource
  gracePeriod: number
  /** The floor of phase 1; undefined where there is none to speak of. */
  announceMin: number | undefined
  /** Whether a service of which nothing is known is worth a line. */
  inService: boolean
}

/** A line for the log. */
export interface PlatformLine { level: 'info' | 'warn', fields: { event: string }, message: string }

const toldKey: unique symbol = Symbol.for('fastify-graceful.platform')

/**
 * Where the process runs, what is taken for granted there, and what to set where that is wrong; undefined where nothing
 * is to be said, or where it was: once per process, whatever runs in it.
 */
export function platformLine (facts: PlatformFacts): PlatformLine | undefined {
  const { surroundings, graceFrom, gracePeriod, inService } = facts
  const { all, wanted } = surroundings
  if (!wanted || (all.length === 0 && !inService)) return undefined
  const holder = globalThis as { [toldKey]?: boolean }
  if (holder[toldKey] === true) return undefined
  holder[toldKey] = true
  return {
    level: graceFrom === 'yielded' ? 'warn' : 'info',
    fields: Object.assign({ event: 'graceful.platform' }, { platform: nameOf(surroundings), gracePeriod, graceFrom }),
    message: [whichOf(surroundings), graceOf(facts), frontOf(facts)].filter((text) => text !== '').join('; ')
      + '. If that is wrong, set gracePeriod (TERMINATION_GRACE_PERIOD_SECONDS), announce.min, or platform '
      + '(GRACEFUL_PLATFORM)'
  }
}

const inSeconds = (milliseconds: number): string => `${milliseconds / 1000} s`
const plain = (text: string): string => text.replaceAll('`', '')

function whichOf ({ place, all, isNamed }: Surroundings): string {
  if (place === undefined) return 'no platform was detected'
  const names = [...all.filter((one) => one !== place), place].map(({ title }) => title).join(' on ')
  const by = isNamed ? 'as named' : `by ${all.flatMap(signsOf).join(', ')}`
  return `platform: ${names}, ${by}${place.says === undefined ? '' : ` (${place.says})`}`
}

function signsOf ({ env }: Platform): string[] {
  const names = Object.keys(env)
  return names.length === 0 ? ['globalThis.platformatic'] : names
}

function graceOf ({ surroundings, graceFrom, gracePeriod }: PlatformFacts): string {
  const { killer, gracePeriod: platformGrace } = surroundings
  const signal = killer?.signal ?? 'SIGTERM'
  const given = `SIGKILL ${inSeconds(gracePeriod)} after ${signal}`
  if (graceFrom === 'given') return `${given}, as given`
  const set = killer === undefined ? '' : ` (set by: ${plain(killer.set)})`
  if (graceFrom === 'platform') return `${given} is assumed${set}`
  return `SIGKILL ${inSeconds(platformGrace)} after ${signal} is what it gives by default${set}, but the times that `
    + `were set need more: ${inSeconds(gracePeriod)} are planned`
}

function frontOf ({ surroundings: { place }, announceMin }: PlatformFacts): string {
  if (announceMin === undefined) return ''
  const least = `phase 1 lasts at least ${inSeconds(announceMin)}`
  switch (place?.front) {
    case 'before': return 'the load balancer has stopped sending by then'
    case 'at': return `the load balancer stops sending after the signal, so ${least}`
    case 'unknown': return `it is not documented when the load balancer stops sending, so ${least}`
    case 'none':
    case undefined: return ''
  }
}

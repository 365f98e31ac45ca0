import type { Platform } from './detect.ts'
import { nameOf } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

/** Who says how long the grace period is; `yielded`: what the platform gives did not fit what was said. */
export type GraceSource = 'given' | 'platform' | 'yielded'

/** What the line is made of. */
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
  if (place === undefined) return 'no platform is recognised'
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
  switch (place?.front) {
    case 'before': return 'what is in front has stopped by then'
    case 'at': return `what is in front stops at the signal, so phase 1 lasts ${inSeconds(announceMin)} at least`
    case 'unknown':
      return `when what is in front stops is not documented, so phase 1 lasts ${inSeconds(announceMin)} at least`
    case 'none':
    case undefined: return ''
  }
}

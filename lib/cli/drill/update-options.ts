import { frontNamed, frontPresets } from '../../drill/index.ts'
import type { FrontPreset, UpdatePlan } from '../../drill/index.ts'
import { unfit, wrong } from './option.ts'
import type { DrillOption, Given } from './option.ts'

/** The update, and what is in front of the service. */
export const updateOptions: readonly DrillOption[] = [
  { flag: 'front', value: '<name>', text: 'what is in front, or the seconds it goes on', default: 'kube-proxy' },
  { flag: 'replicas', value: '<number>', text: 'replicas in service', default: '3' },
  {
    flag: 'updates', value: '<number>', default: 'all',
    text: 'how many of them are replaced; with --kubernetes how often all are (1); 0 for a control run'
  },
  { flag: 'grace', value: '<time>', text: 'from the end of a replica to SIGKILL', default: "the front's" },
  { flag: 'pre-stop', value: '<time>', text: 'a preStop hook before SIGTERM', default: '0s' },
  { flag: 'stagger', value: '<time>', text: 'from replacement to replacement', default: 'the one before has left' },
  { flag: 'warm-up', value: '<time>', text: 'load before the first replacement', default: '1s' },
  { flag: 'cool-down', value: '<time>', text: 'load after the last one', default: '500ms' },
  { flag: 'runs', value: '<number>', text: 'how many times the update is rehearsed', default: '1' },
  { flag: 'max-lost', value: '<number>', text: 'how many requests of a run may be lost', default: '0' }
]

/** How replicas are replaced. Times are milliseconds. */
export interface UpdateSettings {
  replicas: number
  /** How many of them are replaced. */
  replace: number
  /** The name of what is in front. */
  front: string
  preset: FrontPreset
  update: UpdatePlan
  warmUp: number
  coolDown: number
  runs: number
  maxLost: number
}

/** Longest time that may be given, in milliseconds. */
const hour = 3_600_000
/** The longest that a front may take to find out that a replica has gone. */
const longestNotice = 60_000

/** Reads the update from what was typed. @throws UsageError */
export function readUpdate (given: Given): UpdateSettings {
  const front = given.text('front') ?? 'kube-proxy'
  const preset = frontNamed(front)
  if (preset === undefined) {
    throw unfit('front', `one of ${Object.keys(frontPresets).join(', ')}, or a number of seconds`, front)
  }
  const replicas = given.count('replicas', 3, [1, 100])
  const grace = given.time('grace', preset.grace, [100, hour])
  const preStop = given.time('pre-stop', 0, [0, hour])
  if (preStop >= grace && preStop > 0) {
    throw wrong(`option '--pre-stop' must be shorter than the grace period of ${grace / 1000} s`)
  }
  return {
    replicas,
    replace: given.count('updates', replicas, [0, replicas]),
    front,
    preset,
    update: {
      grace,
      preStop,
      noticeWithin: longestNotice,
      ...preset.lag === undefined ? {} : { lag: preset.lag },
      ...given.has('stagger') ? { stagger: given.time('stagger', 0, [0, hour]) } : {}
    },
    warmUp: given.time('warm-up', 1000, [0, hour]),
    coolDown: given.time('cool-down', 500, [0, hour]),
    runs: given.count('runs', 1, [1, 1000]),
    maxLost: given.count('max-lost', 0, [0, Number.MAX_SAFE_INTEGER])
  }
}

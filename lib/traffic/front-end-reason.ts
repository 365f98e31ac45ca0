import { counted } from '../util/text.ts'
import type { Caller } from './callers.ts'
import { proberOf } from './probers.ts'

/** What a prober is waited for with. Times are milliseconds. */
interface Wait {
  /** Between two of its questions; undefined where it has asked once. */
  interval: number | undefined
  /** Failing answers that it needs. */
  failures: number
  /** Until the slowest of several has had them. */
  left: number
}

/** Why phase 1 waits for a prober, or for several that cannot be told apart. */
export function reasonOf (caller: Caller, { interval, failures, left }: Wait): string {
  const { userAgent, method, path, address, failing } = caller
  const name = `${proberOf(userAgent) ?? 'a prober'} at ${address ?? 'no one address'}, ${method} ${path}`
  const every = interval === undefined ? 'asked once' : `every ${Math.round(interval)} ms`
  if (failing < failures) return `${name} (${every}) was served ${failing} of ${failures} failing answers`
  const answers = counted(failures, 'failing answer')
  const slowest = `the slowest of them (${every}) has its ${answers} in ${Math.round(left)} ms`
  return `${name} stands for several probers: ${slowest}`
}

import { isAtLeast } from '../lifecycle/phase.ts'
import type { Member } from './types.ts'

/**
 * The barrier that keeps the applications of a process in step: says of another one that it is shutting down too, and
 * is either in an earlier phase, or in the same phase and still stalled. Undefined where nobody has to be waited for.
 */
export function describeStep (member: Member, members: Iterable<Member>): string | undefined {
  const { phase, request } = member.lifecycle
  if (phase === 'terminated' || request?.kind === 'close') return undefined
  for (const other of members) {
    const { lifecycle } = other
    if (other === member || other.finished || !lifecycle.ending || lifecycle.request?.kind === 'close') continue
    const ahead = lifecycle.phase !== phase && isAtLeast(lifecycle.phase, phase)
    if (ahead || (lifecycle.phase === phase && lifecycle.clear)) continue
    return `${other.name} is in phase '${lifecycle.phase}'`
  }
  return undefined
}

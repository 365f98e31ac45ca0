/**
 * The five phases of a service's end, after Zope's `Lifetime` (2002), and what the world sees in each.
 *
 * | phase          | time (30 s grace period in Kubernetes)                       | readiness |
 * |----------------|--------------------------------------------------------------|-----------|
 * | 0 `running`    | until the signal                                             | 200       |
 * | 1 `announcing` | 5 s at least, until the balancer stops, 18 s at most         | 503       |
 * | 2 `closing`    | two empty event-loop turns, 0.5 s at most                    | 503       |
 * | 3 `draining`   | until the last byte, what is left of the budget at most      | 503       |
 * | 4 `terminated` | `onClose` hooks, until 2 s before the end at most, then exit | -         |
 *
 * | phase | a new connection        | an idle connection        | a request in flight                             |
 * |-------|-------------------------|---------------------------|-------------------------------------------------|
 * | 0     | accepted                | kept                      | served                                          |
 * | 1     | accepted and served     | kept                      | served, told to reconnect on a rising ramp      |
 * | 2     | accept queue is emptied | kept                      | served                                          |
 * | 3     | refused                 | closed after `drain.idle` | served to its last byte, then connection closed |
 * | 4     | refused                 | -                         | none, or cut at the deadline and in the report  |
 *
 * Phases only go up. The one exception is `undrain`, from 1 back to 0, while no signal came.
 */
export const phases = ['running', 'announcing', 'closing', 'draining', 'terminated'] as const

/** One of the five {@link phases}. */
export type Phase = (typeof phases)[number]

/** The phases in which something may be asked to wait: not before the end began, and not after it. */
export type StallPhase = Exclude<Phase, 'running' | 'terminated'>

/** The phases that hooks can be attached to with `addHook`. */
export type HookPhase = Exclude<Phase, 'running'>

/** The number of a phase, 0 to 4: phases are ordered. */
export function phaseNumber (phase: Phase): number {
  return phases.indexOf(phase)
}

/** Whether `phase` is `other` or a later one. */
export function isAtLeast (phase: Phase, other: Phase): boolean {
  return phaseNumber(phase) >= phaseNumber(other)
}

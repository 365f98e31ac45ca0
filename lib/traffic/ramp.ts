/** How connections are told to reconnect elsewhere; the option `announce.shed`. */
export type Shed = 'gradual' | 'immediate' | 'off'

/**
 * The share of replies and sessions that are told to go, 0 to 1, after `elapsed` of `length`
 * milliseconds; none before the ramp has begun. Telling all of them at once sends all of them back at
 * once, and to this very replica while the balancer still lists it (Envoy ramps for the same reason).
 */
export function ramp (shed: Shed, elapsed: number, length: number): number {
  if (shed === 'off' || elapsed < 0) return 0
  if (shed === 'immediate' || length <= 0) return 1
  return Math.min(1, elapsed / length)
}

import type { WardState } from '../protocol.ts'

/**
 * The applications, with the requests that they were last seen with as old as these are by now.
 *
 * @param now of the shared clock
 */
export function agedWards (wards: readonly WardState[], now: number): WardState[] {
  return wards.map((ward) => {
    const { requests, seenAt } = ward
    if (seenAt === undefined) return ward
    return {
      ...ward,
      requests: requests.map((request) => ({ ...request, age: Math.round(request.age + now - seenAt) })),
      seenAt: now
    }
  })
}

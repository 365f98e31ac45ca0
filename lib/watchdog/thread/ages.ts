import type { WatchedState } from '../protocol.ts'

/**
 * The applications, with the requests that they were last seen with as old as these are by now.
 *
 * @param now of the shared clock
 */
export function agedApplications (applications: readonly WatchedState[], now: number): WatchedState[] {
  return applications.map((application) => {
    const { requests, seenAt } = application
    if (seenAt === undefined) return application
    return {
      ...application,
      requests: requests.map((request) => ({ ...request, age: Math.round(request.age + now - seenAt) })),
      seenAt: now
    }
  })
}

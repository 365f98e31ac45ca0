import { readAddress } from '../target.ts'
import type { Target } from '../target.ts'

/** Where the route is unless `admin.prefix` says otherwise. */
const standardPath = '/-/status'

/**
 * Reads an address. Where its path does not end in `/status`, the standard route is put behind it.
 *
 * @throws {UsageError} it is none
 */
export function readTarget (given: string): Target {
  return readAddress(given, { command: 'status', complete })
}

function complete (given: string): string {
  const path = given.replace(/\/+$/, '')
  if (path.endsWith('/status')) return path
  return path.endsWith('/-') ? `${path}/status` : path + standardPath
}

import { readFileSync } from 'node:fs'

/** How many descriptors this process may have; Infinity where the platform does not tell. */
export function descriptorLimit (): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    const limit = Number(soft)
    return Number.isInteger(limit) && limit > 0 ? limit : Infinity
  } catch {
    return Infinity
  }
}

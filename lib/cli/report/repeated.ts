import { createHash } from 'node:crypto'
import type { Origin } from './records.ts'

/** As much of an origin as two ways of reading the same line may differ in. */
type Process = Pick<Origin, 'pod' | 'hostname' | 'pid'>

/** Whether two origins may be one process: what either does not know is no difference. */
function maySame (one: Process, other: Process): boolean {
  return (['pod', 'hostname', 'pid'] as const)
    .every((name) => one[name] === undefined || other[name] === undefined || one[name] === other[name])
}

/** Things that are remembered; what was told before these counts anew. */
const mostKnown = 200_000

/** Things that are told again: by files that overlap, or by the same log in two forms. */
export class Repeated {
  readonly #known = new Map<string, Process[]>()
  count = 0

  /** Whether this was told before, of the same process. */
  has (thing: unknown, { pod, hostname, pid }: Origin): boolean {
    const key = createHash('sha256').update(JSON.stringify(thing)).digest('base64')
    const all = this.#known.get(key) ?? []
    const process = { pod, hostname, pid }
    const isKnown = all.some((one) => maySame(one, process))
    if (isKnown) this.count++
    else this.#known.set(key, [...all, process])
    const [oldest = ''] = this.#known.keys()
    if (this.#known.size > mostKnown) this.#known.delete(oldest)
    return isKnown
  }
}

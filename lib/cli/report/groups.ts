/** Equal things, how many there were, in how many reports, and the longest of them with whose it was. */
export type Group<T> = T & { count: number, reports: number, longest?: number, longestOf?: string }

/** Different things that are told apart; what comes beyond is not. */
const mostGroups = 10_000

/** Counts equal things. */
export class Groups<T extends object> {
  readonly #groups = new Map<string, { group: Group<T>, last: unknown }>()

  /**
   * @param thing what is equal
   * @param of the report that it is of, and how it is called
   * @param time milliseconds that it took
   */
  add (thing: T, of: { name: string }, { count = 1, time }: { count?: number, time?: number | undefined } = {}): void {
    const key = JSON.stringify(thing)
    let entry = this.#groups.get(key)
    if (entry === undefined) {
      if (this.#groups.size >= mostGroups) return
      this.#groups.set(key, entry = { group: { ...thing, count: 0, reports: 0 }, last: undefined })
    }
    const { group, last } = entry
    group.count += count
    if (last !== of) group.reports++
    entry.last = of
    if (time !== undefined && time >= (group.longest ?? 0)) Object.assign(group, { longest: time, longestOf: of.name })
  }

  /** The most frequent first. */
  get sorted (): Array<Group<T>> {
    return [...this.#groups.values()].map(({ group }) => group).toSorted((one, other) => other.count - one.count)
  }
}

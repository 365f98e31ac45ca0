/** Numbers that follow from a seed, and from nothing else (mulberry32). */
export class Random {
  #state: number

  constructor (seed: number) {
    // Seeds that are close to each other would begin alike.
    this.#state = Math.imul(seed ^ 0x9E3779B9, 0x85EBCA6B) >>> 0
    for (let round = 0; round < 4; round++) this.next()
  }

  /** At least 0, less than 1. */
  next (): number {
    this.#state = (this.#state + 0x6D2B79F5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from the first to the second, both included. */
  between (least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  chance (share: number): boolean { return this.next() < share }

  /** A key of a table, by the weights that are its values. */
  pick<K extends string> (weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as Array<[K, number]>
    let rest = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    return (entries.find(([, weight]) => (rest -= weight) < 0) ?? entries.at(-1)!)[0]
  }
}

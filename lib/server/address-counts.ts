/** How many there are of each address; `undefined` is one, too: that of everybody on a unix socket. */
export class AddressCounts {
  readonly #counts = new Map<string | undefined, number>()

  /** How many addresses there are. */
  get size (): number { return this.#counts.size }
  /** How many there are of the address that has the fewest. */
  get lowest (): number { return Math.min(...this.#counts.values()) }
  /** How many there are of the address that has the most. */
  get highest (): number { return Math.max(...this.#counts.values()) }

  of (address: string | undefined): number {
    return this.#counts.get(address) ?? 0
  }

  add (address: string | undefined): void {
    this.#counts.set(address, this.of(address) + 1)
  }

  remove (address: string | undefined): void {
    const left = this.of(address) - 1
    if (left > 0) this.#counts.set(address, left)
    else this.#counts.delete(address)
  }
}

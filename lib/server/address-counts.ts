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

/** Groups of 16 bits in an address of IPv6, and those of them that name the network. */
const groups = { all: 8, network: 4 } as const

/**
 * What counts as one caller: an address of IPv4, also where it comes in the form of IPv6, and of IPv6 the network of 64
 * bits. Whoever is in one may call from any of its addresses, each connection from another.
 */
export function sourceOf (address: string | undefined): string | undefined {
  if (address === undefined || !address.includes(':')) return address
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  const [start = '', end = ''] = address.split('::', 2)
  const first = groupsOf(start)
  const last = groupsOf(end)
  const zeros = Array.from({ length: Math.max(0, groups.all - first.length - last.length) }, () => '0')
  return [...first, ...zeros, ...last].slice(0, groups.network).join(':')
}

function groupsOf (text: string): string[] {
  return text === '' ? [] : text.split(':')
}

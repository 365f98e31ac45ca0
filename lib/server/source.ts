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

/** Prepares a network of its own, in which a command then runs. */
const inNetwork = (...steps: string[]): string[] => {
  const script = ['export PATH="$PATH:/usr/sbin:/sbin"', 'ip link set lo up', ...steps, 'exec "$@"'].join(' && ')
  return ['unshare', '--net', ...process.getuid?.() === 0 ? [] : ['--map-root-user'], 'sh', '-c', script, 'sh']
}
const noIpv4 = 'ip -4 address flush dev lo'
const noIpv6 = 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'

/** A network: an address that is there, what runs a command in it, and whether 127.0.0.1 and ::1 are to answer. */
interface Network { host: string, under: string[], answers: [ipv4: boolean, ipv6: boolean] }

export const networks: Readonly<Record<string, Network>> = {
  'IPv6 alone': { host: '::1', under: inNetwork(noIpv4), answers: [false, true] },
  'IPv4 alone': { host: '127.0.0.1', under: inNetwork(noIpv6), answers: [true, false] },
  both: { host: '127.0.0.1', under: inNetwork(), answers: [true, true] }
}

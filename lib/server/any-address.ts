/** All addresses, those of IPv4 included; and what is left of them where there is no IPv6. */
const anyAddress = { both: '::', ipv4: '0.0.0.0' } as const
/** What says that there is no IPv6. */
const noIpv6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT'])

/**
 * Where a server listens that could not on `host`: on all addresses of IPv4, where it was to listen on all of both
 * families and there is no IPv6. Undefined where it has to stay with the error.
 */
export function addressWithoutIpv6 (host: string, error: unknown): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException
  return host === anyAddress.both && noIpv6.has(code) ? anyAddress.ipv4 : undefined
}

import type { IncomingHttpHeaders } from 'node:http'

const loopback = /^(?:(?:[^:]+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/** Whether a browser sends this for a page of another site: whatever it sends along by itself then speaks for that page, not for a person. */
export function isCrossSite ({ 'sec-fetch-site': site, origin, host }: IncomingHttpHeaders): boolean {
  if (site !== undefined) return site === 'cross-site'
  return origin !== undefined && !origin.endsWith(`://${host}`)
}

/**
 * Whether a browser may ask here for somebody else, where nothing but the way it came lets in: for a page of another origin, or under
 * a name that is not this machine's, which whoever owns the name can point at a tunnel.
 */
export function isForSomebodyElse (headers: IncomingHttpHeaders): boolean {
  if (isCrossSite(headers) || headers['sec-fetch-site'] === 'same-site') return true
  return headers['user-agent']?.startsWith('Mozilla/') === true && !loopback.test(headers.host ?? '')
}

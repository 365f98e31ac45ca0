import { get } from 'node:http'

/** As a kubelet names itself; the plugin knows it by this. */
const userAgent = 'kube-probe/1.34'

/** Milliseconds for one answer. */
const patience = 1000

/** Where to ask. */
export interface Address { host?: string, port: number }

/** One GET on a connection of its own, as a kubelet asks; the status, or 0 where nobody answered within a second. */
export function probe ({ host = '127.0.0.1', port }: Address, path: string): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host, port, path, agent: false, headers: { 'user-agent': userAgent } }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.setTimeout(patience, () => request.destroy())
    request.on('error', () => resolve(0))
  })
}

/**
 * Whether a status says ready, by the kubelet's rule: 200 to 399.
 * @param isOptional whether a service without this route counts as ready when it answers at all
 */
export function saysReady (status: number, isOptional: boolean): boolean {
  return (status >= 200 && status < 400) || (isOptional && status === 404)
}

import { get } from 'node:http'

/** Where to ask. */
export interface Address { host?: string, port: number }

/** Who asks: by what name, and for how many milliseconds it waits. */
export interface Asker { userAgent?: string | undefined, timeout: number }

/** The plugin knows a kubelet by this name. */
const kubelet: Asker = { userAgent: 'kube-probe/1.34', timeout: 1000 }

/** One GET on a connection of its own, as a kubelet asks; the status, or 0 where nobody answered in time. */
export function probe (
  { host = '127.0.0.1', port }: Address, path: string, { userAgent, timeout }: Asker = kubelet
): Promise<number> {
  return new Promise((resolve) => {
    const headers = userAgent === undefined ? {} : { 'user-agent': userAgent }
    const request = get({ host, port, path, agent: false, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.setTimeout(timeout, () => request.destroy())
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

/**
 * Who asks for health and sends no traffic, by the beginning of the User-Agent, on any path. Kubelet: `pkg/probe/http/request.go`;
 * Google: "GoogleHC/1.0"; AWS: "ELB-HealthChecker/2.0"; Envoy: "Envoy/HC"; HAProxy sends none by default, unless its check is told to.
 */
const probers: ReadonlyArray<readonly [start: string, name: string]> = [
  ['kube-probe/', 'kube-probe'],
  ['GoogleHC/', 'GoogleHC'],
  ['ELB-HealthChecker/', 'ELB-HealthChecker'],
  ['Envoy/HC', 'Envoy'],
  ['HAProxy', 'HAProxy'],
  ['haproxy', 'HAProxy'],
  ['kube-lifecycle/', 'kube-lifecycle'],
  ['Amazon-Route53-Health-Check-Service', 'Route53'],
  ['Consul Health Check', 'Consul']
]

/** The prober that a User-Agent is of; undefined where it is nobody's that is known. */
export function proberOf (userAgent: string | undefined): string | undefined {
  if (userAgent === undefined) return undefined
  return probers.find(([start]) => userAgent.startsWith(start))?.[1]
}

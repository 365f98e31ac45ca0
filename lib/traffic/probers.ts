/**
 * Who asks for health and sends no traffic, by User-Agent, on any path. Kubelet: `pkg/probe/http/request.go`; Google:
 * "GoogleHC/1.0"; AWS: "ELB-HealthChecker/2.0"; Envoy: "Envoy/HC"; HAProxy sends none by default, unless its check is told to.
 */
const probers = ['kube-probe/', 'GoogleHC/', 'ELB-HealthChecker/', 'Envoy/HC', 'HAProxy', 'haproxy', 'kube-lifecycle/', 'Amazon-Route53-Health-Check-Service', 'Consul Health Check']

/** Whether a User-Agent is a prober's. */
export function isProbe (userAgent: string | undefined): boolean {
  return userAgent !== undefined && probers.some((prober) => userAgent.startsWith(prober))
}

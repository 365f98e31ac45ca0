/**
 * What somebody asks for health for.
 *
 * - `balancer`: it sends traffic by the answer, or passes it on to who does
 * - `monitor`: it tells people
 * - `kubelet`: it tells Kubernetes, which has endpoints for the rest
 */
export type ProberRole = 'balancer' | 'monitor' | 'kubelet'

/** A known prober: the beginning of its User-Agent, the name that it is shown by, and where that is documented. */
export interface KnownProber { start: string, name: string, role: ProberRole, source: string }

const row = (role: ProberRole, name: string, start: string, source: string): KnownProber =>
  ({ start, name, role, source })

/**
 * Who asks for health and sends no traffic, on any path.
 *
 * Not told by a User-Agent: HAProxy (`httpchk` sends none by default), Varnish and Apache's
 * `mod_proxy_hcheck` (none), Caddy and Traefik (that of Go's client), F5 BIG-IP (its monitors'
 * default request is a bare `GET /`). They are told by what they ask.
 */
export const knownProbers: readonly KnownProber[] = [
  row('kubelet', 'kube-probe', 'kube-probe/',
    'https://github.com/kubernetes/kubernetes/blob/master/pkg/probe/http/request.go'),
  row('kubelet', 'kube-lifecycle', 'kube-lifecycle/',
    'https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/lifecycle/handlers.go'),
  row('balancer', 'GoogleHC', 'GoogleHC/', 'https://cloud.google.com/load-balancing/docs/health-check-concepts'),
  row('balancer', 'ELB-HealthChecker', 'ELB-HealthChecker/',
    'https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html'),
  row('balancer', 'Route53', 'Amazon-Route53-Health-Check-Service',
    'https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html'),
  row('balancer', 'Azure Load Balancer', 'Load Balancer Agent', 'https://github.com/openshift/origin/pull/27753'),
  row('balancer', 'Azure Front Door', 'Edge Health Probe', 'https://learn.microsoft.com/azure/frontdoor/health-probes'),
  row('balancer', 'Azure Traffic Manager', 'Azure Traffic Manager Endpoint Monitor',
    'https://learn.microsoft.com/azure/traffic-manager/traffic-manager-monitoring'),
  row('balancer', 'Cloudflare Load Balancing', 'Mozilla/5.0 (compatible; Cloudflare-Traffic-Manager/',
    'https://developers.cloudflare.com/load-balancing/monitors/'),
  row('monitor', 'Cloudflare Health Checks', 'Mozilla/5.0 (compatible;Cloudflare-Healthchecks/',
    'https://developers.cloudflare.com/health-checks/'),
  row('monitor', 'Cloudflare Health Checks', 'Mozilla/5.0 (compatible; Cloudflare-Healthchecks/',
    'https://developers.cloudflare.com/health-checks/'),
  row('balancer', 'Envoy', 'Envoy/HC',
    'https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/health_checking'),
  row('balancer', 'HAProxy', 'HAProxy', 'https://docs.haproxy.org/3.0/configuration.html#http-check%20send'),
  row('balancer', 'HAProxy', 'haproxy', 'https://docs.haproxy.org/3.0/configuration.html#http-check%20send'),
  row('balancer', 'Consul', 'Consul Health Check',
    'https://github.com/hashicorp/consul/blob/main/agent/checks/check.go'),
  row('monitor', 'Google Cloud Monitoring', 'GoogleStackdriverMonitoring-UptimeChecks',
    'https://cloud.google.com/monitoring/uptime-checks'),
  row('monitor', 'Prometheus', 'Prometheus/', 'https://github.com/prometheus/prometheus/blob/main/scrape/scrape.go'),
  row('monitor', 'Blackbox Exporter', 'Blackbox Exporter/',
    'https://github.com/prometheus/blackbox_exporter/blob/master/prober/http.go'),
  row('monitor', 'UptimeRobot', 'Mozilla/5.0+(compatible; UptimeRobot/', 'https://uptimerobot.com/help/locations/'),
  row('monitor', 'Better Stack', 'Better Stack Better Uptime Bot',
    'https://betterstack.com/docs/uptime/frequently-asked-questions/'),
  row('monitor', 'Better Stack', 'Better Uptime Bot',
    'https://betterstack.com/docs/uptime/frequently-asked-questions/'),
  row('monitor', 'Pingdom', 'Pingdom.com_bot_version_',
    'https://documentation.solarwinds.com/en/success_center/pingdom/'),
  row('monitor', 'Checkly', 'Checkly', 'https://www.checklyhq.com/docs/monitoring/allowlisting/'),
  row('monitor', 'Datadog Synthetics', 'Datadog/Synthetics',
    'https://docs.datadoghq.com/synthetics/guide/identify_synthetics_bots/')
]

/** What people and programs call by hand. A beginning, for what follows is a version. */
const tools =
  /^(?:curl|Wget|HTTPie|PostmanRuntime|insomnia|Mozilla|node|undici|axios|got|node-fetch|superagent)(?![\w-])/

function find (userAgent: string | undefined): KnownProber | undefined {
  return userAgent === undefined ? undefined : knownProbers.find(({ start }) => userAgent.startsWith(start))
}

/** The prober that a User-Agent is of; undefined where it is nobody's that is known. */
export function proberOf (userAgent: string | undefined): string | undefined {
  return find(userAgent)?.name
}

/** What the prober that a User-Agent is of asks for. */
export function roleOf (userAgent: string | undefined): ProberRole | undefined {
  return find(userAgent)?.role
}

/** Whether a User-Agent is that of a person's or a program's tool, which asks once or twice and leaves. */
export function isTool (userAgent: string | undefined): boolean {
  return userAgent !== undefined && tools.test(userAgent) && find(userAgent) === undefined
}

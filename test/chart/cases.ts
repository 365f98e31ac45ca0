import type { Values } from './render.ts'

/** A bearer token for tests. */
export const token = 'a-token-of-27-characters-ok'

const presets = ['clusterIP', 'alb', 'nlb', 'gke-neg', 'gke-l4', 'ingress-nginx', 'istio', 'envoy-gateway', 'spot']

/** What is rendered for every version of Kubernetes. Names are aliases of the chart. */
export const cases: Record<string, Values> = {
  ...Object.fromEntries(presets.map((preset) => [preset.toLowerCase(), { preset }])),
  single: { replicaCount: 1 },
  local: { service: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } },
  sleep: { preStop: { mode: 'sleep', seconds: 5 } },
  fraction: { preStop: { mode: 'sleep', seconds: 2.5 }, terminationGracePeriodSeconds: 1_800_000 },
  command: { preStop: { mode: 'sleep', seconds: 5, command: ['node', '-e', 'setTimeout(Object, 5000)'] } },
  http: { preStop: { mode: 'http' }, admin: { token } },
  exec: { preStop: { mode: 'exec' }, admin: { existingSecret: 'tokens' } },
  execapart: { probes: { scheme: 'HTTPS', port: 9000, host: '127.0.0.1' }, preStop: { mode: 'exec' }, admin: { token } },
  secret: { admin: { existingSecret: 'tokens', existingSecretKey: 'admin' } },
  tls: {
    probes: { scheme: 'HTTPS', prefix: '/internal' },
    preStop: { mode: 'http' },
    admin: { token, prefix: '/admin' }
  },
  tlsapart: { probes: { scheme: 'HTTPS', port: 9000 }, preStop: { mode: 'http' }, admin: { token } },
  apart: { probes: { port: 9000, host: '::' } },
  autoscaled: {
    autoscaling: {
      enabled: true,
      targetMemoryUtilizationPercentage: 70,
      behavior: { scaleDown: { stabilizationWindowSeconds: 60 } }
    },
    resources: { requests: { cpu: '100m', memory: '128Mi' } }
  },
  closed: {
    networkPolicy: {
      enabled: true,
      from: [{ namespaceSelector: {} }],
      ingress: [{ ports: [{ port: 9090 }] }],
      egress: [{ ports: [{ port: 53, protocol: 'UDP' }] }]
    }
  },
  open: { networkPolicy: { enabled: true } },
  routed: {
    preset: 'ingress-nginx', probes: { scheme: 'HTTPS' },
    ingress: {
      enabled: true, className: 'nginx', annotations: { 'example.org/ingress': 'yes' },
      hosts: [
        { host: 'shop.example', paths: [{ path: '/health', pathType: 'Exact' }, { path: '/' }] },
        { host: '*.shop.example' }
      ],
      tls: [{ secretName: 'shop-tls', hosts: ['shop.example', '*.shop.example'] }]
    }
  },
  anyhost: { preset: 'alb', ingress: { enabled: true, tls: [{ hosts: ['shop.example'] }] } },
  gateway: {
    httpRoute: {
      enabled: true, annotations: { 'example.org/route': 'yes' },
      parentRefs: [{ name: 'shop', namespace: 'edge', sectionName: 'https' }], hostnames: ['shop.example'],
      matches: [{ path: { type: 'PathPrefix', value: '/shop' } }],
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-shop', value: 'yes' }] } }],
      timeouts: { request: '10s', backendRequest: '2s500ms' }, retry: { attempts: 2, codes: [503] },
      weight: 90, backendRefs: [{ name: 'canary', port: 80, weight: 10 }]
    }
  },
  rules: {
    httpRoute: {
      enabled: true, parentRefs: [{ name: 'shop' }], weight: 0, timeouts: { request: '0s' },
      rules: [
        { matches: [{ path: { value: '/a' } }], backendRefs: [{ name: 'blue', port: 80 }] },
        { timeouts: { request: '1m' } }
      ]
    }
  },
  dual: {
    service: {
      ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6', 'IPv4'], trafficDistribution: 'PreferSameNode'
    }
  },
  sixonly: {
    service: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'], trafficDistribution: 'PreferSameZone' },
    probes: { port: 9000, host: '::' },
    networkPolicy: { enabled: true, from: [{ ipBlock: { cidr: 'fd00::/8' } }] }
  },
  named: {
    hostAliases: [{ ip: 'fd00::7', hostnames: ['database', 'database.internal'] }],
    dnsPolicy: 'None',
    dnsConfig: {
      nameservers: ['10.96.0.10', 'fd00::a'], searches: ['shop.svc.cluster.local'],
      options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }]
    }
  },
  started: { postStart: { exec: { command: ['sh', '-c', 'date > /tmp/started'] } }, preStop: { mode: 'sleep', seconds: 5 } },
  paused: { postStart: { sleep: { seconds: 2 } } },
  asked: {
    postStart: {
      httpGet: {
        path: '/warm', port: 'http', scheme: 'HTTPS', host: 'warm.example', httpHeaders: [{ name: 'x', value: 'yes' }]
      }
    }
  },
  connected: { postStart: { tcpSocket: { port: 3000 } } },
  accompanied: {
    sidecars: [
      { name: 'proxy', image: 'registry.example/proxy:1', ports: [{ containerPort: 15_000 }], restartPolicy: 'Always' },
      { name: 'log', image: 'registry.example/log:1' }
    ],
    initContainers: [{ name: 'migrate', image: 'registry.example/shop:1' }],
    extraContainers: [{ name: 'beside', image: 'registry.example/beside:1' }],
    probes: { port: 9000 }
  },
  keda: { autoscaling: { external: true, minReplicas: 0 } },
  ownerless: { replicaCount: null },
  measured: {
    autoscaling: {
      enabled: true,
      targetCPUUtilizationPercentage: null,
      metrics: [
        {
          type: 'ContainerResource',
          containerResource: { name: 'cpu', container: 'app', target: { type: 'Utilization', averageUtilization: 60 } }
        },
        {
          type: 'Pods',
          pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '100' } }
        }
      ],
      behavior: {
        scaleUp: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
        scaleDown: { stabilizationWindowSeconds: 300 }
      }
    }
  },
  spread: {
    topologySpread: {
      whenUnsatisfiable: 'DoNotSchedule', minDomains: 2, nodeTaintsPolicy: 'Ignore', nodeAffinityPolicy: 'Honor'
    }
  },
  drainable: { topologySpread: { whenUnsatisfiable: 'DoNotSchedule' } },
  constrained: {
    topologySpread: {
      constraints: [
        { topologyKey: 'rack', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' },
        {
          topologyKey: 'row', maxSkew: 2, whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { tier: 'front' } }
        }
      ]
    }
  },
  budgeted: { podDisruptionBudget: { minAvailable: '50%', unhealthyPodEvictionPolicy: 'IfHealthyBudget' } },
  recreated: { strategy: { type: 'Recreate' } },
  trusted: { serviceAccount: { automount: true } },
  furnished: {
    extraObjects: [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-map' }, data: { answer: '42' } },
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "graceful-service.fullname" . }}-text\n'
    ]
  },
  serviced: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' } } },
  servicedapart: {
    probes: { port: 9000, scheme: 'HTTPS' }, networkPolicy: { enabled: true },
    serviceMonitor: {
      enabled: true, path: '/internal/metrics', interval: '1m', scrapeTimeout: '20s', scheme: 'https',
      tlsConfig: { serverName: 'shop.example' }, from: [{ podSelector: { matchLabels: { scraper: 'yes' } } }],
      relabelings: [{ action: 'labeldrop', regex: 'pod' }],
      metricRelabelings: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'nodejs_.*' }]
    }
  },
  monitored: {
    podMonitor: { enabled: true, labels: { release: 'prometheus' } },
    commonAnnotations: { 'example.org/owner': 'north' }
  },
  watched: {
    prometheusRule: { enabled: true, severity: 'page', labels: { release: 'prometheus' } },
    dashboard: { enabled: true, labels: { dashboards: 'yes' }, annotations: { grafana_folder: 'Services' } }
  },
  bare: {
    serviceAccount: { create: false }, podDisruptionBudget: { enabled: false }, topologySpread: { enabled: false },
    tests: { enabled: false }, tmp: { enabled: false },
    probes: { startup: { enabled: false }, liveness: { enabled: false }, readiness: { enabled: false } },
    shareProcessNamespace: false
  },
  everything: {
    nameOverride: 'shop', fullnameOverride: 'shop-north',
    commonLabels: { team: 'north' }, commonAnnotations: { 'example.org/owner': 'north' },
    terminationGracePeriodSeconds: 90, reserveSeconds: 3, closeSeconds: 6.5, otherListeners: 'beside',
    drain: { idleSeconds: 2.25, spreadSeconds: 4.5, webSocketCode: 1012, webSocketQuietSeconds: 0.5 },
    announce: {
      minSeconds: 10, quietSeconds: 1.5, blindSeconds: 20, maxSeconds: 40, readinessDelaySeconds: 3,
      failures: 2, shed: 'immediate', onClose: true
    },
    externalHealth: { path: '/balancer', status: 404, delaySeconds: 2 },
    envoy: { immediateHealthCheckFail: true }, istio: { sidecar: true },
    image: {
      repository: 'registry.example/shop', tag: '1.2.3+build',
      digest: `sha256:${'0123456789abcdef'.repeat(4)}`, pullPolicy: 'Always'
    },
    imagePullSecrets: [{ name: 'registry' }],
    strategy: { maxSurge: '50%', maxUnavailable: 1 },
    replicaCount: 5, minReadySeconds: 15, progressDeadlineSeconds: 300, revisionHistoryLimit: 3, containerPort: 8080,
    command: ['node'], args: ['server.js'],
    extraEnv: [
      { name: 'LEVEL', value: 'debug' },
      { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }
    ],
    extraEnvFrom: [{ configMapRef: { name: 'settings' } }],
    resources: { requests: { cpu: '100m' }, limits: { memory: '256Mi' } },
    extraVolumes: [{ name: 'data', emptyDir: {} }], extraVolumeMounts: [{ name: 'data', mountPath: '/data' }],
    initContainers: [{ name: 'migrate', image: 'registry.example/shop:1', command: ['true'] }],
    extraContainers: [{ name: 'log', image: 'registry.example/log:1' }],
    podLabels: { tier: 'front' },
    podAnnotations: { 'proxy.istio.io/config': 'concurrency: 2', 'example.org/pod': 'yes' },
    deploymentAnnotations: { 'example.org/deployment': 'yes' },
    nodeSelector: { pool: 'spot' }, tolerations: [{ key: 'spot', operator: 'Exists', effect: 'NoSchedule' }],
    priorityClassName: 'high',
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, preference: { matchExpressions: [{ key: 'pool', operator: 'In', values: ['spot'] }] } }
        ]
      }
    },
    probes: {
      startup: { initialDelaySeconds: 1, terminationGracePeriodSeconds: 90 },
      liveness: { periodSeconds: 20, terminationGracePeriodSeconds: 120 }
    },
    terminationMessagePath: '/tmp/verdict', podSecurityContext: { fsGroup: 1000, runAsUser: 10_001 },
    securityContext: { readOnlyRootFilesystem: false }, tmp: { sizeLimit: '1Gi' },
    service: {
      type: 'LoadBalancer', port: 8443, appProtocol: 'http', nodePort: 30080, externalTrafficPolicy: 'Cluster',
      loadBalancerClass: 'example.org/lb', loadBalancerSourceRanges: ['10.0.0.0/8'],
      annotations: { 'example.org/service': 'yes' }
    },
    serviceAccount: { name: 'shopkeeper', annotations: { 'example.org/role': 'shop' } },
    podDisruptionBudget: { maxUnavailable: '25%' },
    podMonitor: {
      enabled: true, path: '/internal/metrics', interval: '1m30s',
      from: [{ podSelector: { matchLabels: { scraper: 'yes' } } }],
      scrapeTimeout: '10s', scheme: 'https',
      relabelings: [{ action: 'labeldrop', regex: 'pod' }], metricRelabelings: [{ action: 'labeldrop', regex: 'pod' }]
    },
    topologySpread: { whenUnsatisfiable: 'DoNotSchedule', maxSkew: 2, topologyKeys: ['kubernetes.io/hostname'] },
    tests: { image: 'registry.example/node:24', command: ['/usr/local/bin/node', '-e'] },
    drill: { enabled: true, seconds: 60, rate: 100, paths: ['/products/7', '/cart'], maxLost: 1 }
  }
}

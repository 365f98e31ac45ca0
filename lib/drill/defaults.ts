/** What holds for a drill, and for the options of its command, where nothing else is said. Times are milliseconds. */
export const defaults = {
  /** The variable that tells a replica its port. */
  portEnv: 'PORT',
  /** What is asked for readiness. */
  readyPath: '/readyz',
  /** Until a replica has to be ready. */
  boot: 30_000,
  front: 'kube-proxy',
  /** Replicas in service. */
  replicas: 3,
  preStop: 0,
  /** Of load before the first replacement, and after the last one. */
  warmUp: 1000,
  coolDown: 500,
  runs: 1,
  /** Requests of a run that may be lost. */
  maxLost: 0,
  path: '/',
  /** The bounds of right statuses. */
  status: [200, 399],
  /** The share of a kind of request, relative to the others. */
  weight: 1,
  /** Requests per second. */
  rate: 100,
  /** The share of requests on connections that are kept. */
  keepAlive: '80%',
  /** Clients that stay on each path. */
  clients: 10,
  /** For one exchange. */
  timeout: 15_000,
  /** How often a deployment in a cluster is restarted, and how long one update may take there. */
  restarts: 1,
  within: 300_000,
  kubectl: 'kubectl',
  /** Of a load alone. */
  duration: 30_000
} as const

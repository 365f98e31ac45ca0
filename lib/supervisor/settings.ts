/** The options with every default filled in. */
export interface SupervisorSettings {
  script: string
  args: readonly string[]
  workers: number
  gracePeriod: number
  /** What a preStop hook takes of it before the signal. */
  preStop: number
  /** The grace period that children are given. */
  childGracePeriod: number
  childTimeout: number
  startTimeout: number
  minReady: number
  maxSurge: number
  maxCrashes: number
  /** Where the container's termination message goes; undefined: nowhere. */
  terminationMessagePath: string | undefined
  inKubernetes: boolean
  /** In production, or in Kubernetes. */
  inService: boolean
  status: StatusSettings | undefined
}

/** Where the status routes are, and who is let in there. */
export interface StatusSettings {
  listen: { port: number, host: string } | { path: string }
  token: string | undefined
  /** Undefined where there is no unix socket. */
  unixSocket: { mode: number } | undefined
}

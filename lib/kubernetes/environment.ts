import { errors } from '../errors.ts'

/** What the environment says about where the process runs. */
export interface Environment {
  /** Whether this is a pod: the kubelet sets `KUBERNETES_SERVICE_HOST` in every container. */
  inKubernetes: boolean
  /** From `TERMINATION_GRACE_PERIOD_SECONDS`, in milliseconds. */
  gracePeriod: number | undefined
  /** From `PRESTOP_SECONDS`, in milliseconds. */
  preStop: number | undefined
}

/**
 * Reads the environment.
 *
 * @throws FST_GRACEFUL_INVALID_ENVIRONMENT a variable is set to something that is no number of seconds
 */
export function readEnvironment (env: NodeJS.ProcessEnv): Environment {
  return {
    inKubernetes: Boolean(env['KUBERNETES_SERVICE_HOST']),
    gracePeriod: readSeconds(env, 'TERMINATION_GRACE_PERIOD_SECONDS', 1),
    preStop: readSeconds(env, 'PRESTOP_SECONDS', 0)
  }
}

/** Longest grace period, in seconds: what a `setTimeout` can wait. */
const most = 2_147_483

function readSeconds (env: NodeJS.ProcessEnv, name: string, least: number): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const seconds = Number(text)
  if (!Number.isFinite(seconds) || seconds < least || seconds > most) {
    throw new errors.FST_GRACEFUL_INVALID_ENVIRONMENT(name, `a number of seconds from ${least} to ${most}`, text)
  }
  return seconds * 1000
}

import { workerData } from 'node:worker_threads'
import { readVariable } from '../util/given.ts'

/**
 * When whatever is in front stops sending: before the signal, from the signal on, or nobody has read when. `'none'`:
 * it has nothing in front of its own.
 */
type Front = 'before' | 'at' | 'unknown' | 'none'

/** One platform. Where each figure was read stands in `docs/guides/platforms.md`. */
export interface Platform {
  /** What the option `platform` calls it. */
  name: string
  title: string
  /** The variables that show it, all of them, and what each looks like; without one it can only be named. */
  env: Readonly<Record<string, RegExp>>
  /** A process manager, which does not hide the platform that it runs on. */
  manager?: true
  /** What ends the service. */
  signal: 'SIGTERM' | 'SIGINT'
  /** Seconds from the signal to SIGKILL where nobody has set them. */
  grace: number
  /** A variable that shows what was set, and the milliseconds of its unit. */
  shown?: { variable: string, unit: number }
  /** What sets them. */
  set: string
  front: Front
  /** Seconds until the last of it has stopped, with and without traffic to see it by: the floors of phase 1. */
  late?: readonly [min: number, blind: number]
  /** What no source of the platform's own was found for. */
  unread?: string
  note?: string
  /** What of that is worth saying at boot. */
  says?: string
}

const any = /\S/

/** Every platform, in the order of precedence: what is in a container of its own comes before what it may run on. */
export const platforms: readonly Platform[] = [
  {
    name: 'platformatic', title: "Platformatic's runtime", env: {}, manager: true, signal: 'SIGTERM', grace: 10,
    set: '`gracefulShutdown` in its configuration, which the plugin reads', front: 'none', unread: 'the 10 s'
  },
  {
    name: 'lambda', title: 'AWS Lambda', env: { AWS_LAMBDA_FUNCTION_NAME: any }, signal: 'SIGTERM', grace: 0.5,
    set: 'nothing', front: 'before', says: 'not a long-running server: there is only time for a flush'
  },
  {
    name: 'azure-container-apps', title: 'Azure Container Apps',
    env: { CONTAINER_APP_NAME: any, CONTAINER_APP_REVISION: any }, signal: 'SIGTERM', grace: 30,
    set: '`terminationGracePeriodSeconds` of the template', front: 'unknown', late: [5, 15]
  },
  {
    name: 'azure-app-service', title: 'Azure App Service',
    env: { WEBSITE_SITE_NAME: any, WEBSITE_RESOURCE_GROUP: any }, signal: 'SIGTERM', grace: 5,
    shown: { variable: 'WEBSITES_CONTAINER_STOP_TIME_LIMIT', unit: 1000 },
    set: 'the app setting `WEBSITES_CONTAINER_STOP_TIME_LIMIT`, at most 120', front: 'unknown', late: [5, 5],
    unread: 'the signal'
  },
  {
    name: 'render', title: 'Render', env: { RENDER: /^true$/, RENDER_SERVICE_ID: any }, signal: 'SIGTERM', grace: 30,
    set: '`maxShutdownDelaySeconds`, at most 300', front: 'before', unread: 'the variables'
  },
  {
    name: 'railway', title: 'Railway', env: { RAILWAY_PROJECT_ID: any, RAILWAY_SERVICE_ID: any }, signal: 'SIGTERM',
    grace: 0, shown: { variable: 'RAILWAY_DEPLOYMENT_DRAINING_SECONDS', unit: 1000 },
    set: 'the variable `RAILWAY_DEPLOYMENT_DRAINING_SECONDS`', front: 'before'
  },
  {
    name: 'fly', title: 'Fly.io', env: { FLY_APP_NAME: any, FLY_MACHINE_ID: any }, signal: 'SIGINT', grace: 5,
    set: '`kill_timeout` in `fly.toml`, at most 300', front: 'unknown', late: [5, 5]
  },
  {
    name: 'heroku', title: 'Heroku', env: { DYNO: /^[a-z]\w*[.-]\w/i }, signal: 'SIGTERM', grace: 30, set: 'nothing',
    front: 'unknown', late: [5, 5]
  },
  {
    name: 'koyeb', title: 'Koyeb', env: { KOYEB_APP_NAME: any, KOYEB_SERVICE_NAME: any }, signal: 'SIGTERM', grace: 10,
    set: 'not known', front: 'unknown', late: [5, 5], unread: 'all of it'
  },
  {
    name: 'ecs', title: 'Amazon ECS', env: { ECS_CONTAINER_METADATA_URI_V4: any }, signal: 'SIGTERM', grace: 30,
    set: '`stopTimeout` of the container definition, at most 120 on Fargate', front: 'at', late: [8, 8],
    note: 'the service scheduler deregisters a task from its balancer before the signal; `StopTask` and Spot do not'
  },
  {
    name: 'app-engine', title: 'Google App Engine', env: { GAE_SERVICE: any, GAE_INSTANCE: any }, signal: 'SIGTERM',
    grace: 10, set: 'nothing', front: 'unknown', late: [5, 5], unread: 'the time and the signal'
  },
  {
    name: 'kubernetes', title: 'Kubernetes', env: { KUBERNETES_SERVICE_HOST: any }, signal: 'SIGTERM', grace: 30,
    set: '`terminationGracePeriodSeconds` of the pod', front: 'at', late: [5, 15]
  },
  {
    name: 'cloud-functions', title: 'Google Cloud Run functions', env: { FUNCTION_TARGET: any, K_SERVICE: any },
    signal: 'SIGTERM', grace: 10, set: 'nothing', front: 'before', unread: '`FUNCTION_TARGET`',
    says: 'not a long-running server'
  },
  {
    name: 'cloud-run', title: 'Google Cloud Run', env: { K_SERVICE: any, K_REVISION: any }, signal: 'SIGTERM',
    grace: 10, set: 'nothing', front: 'before'
  },
  {
    name: 'nomad', title: 'Nomad', env: { NOMAD_ALLOC_ID: any, NOMAD_JOB_NAME: any }, signal: 'SIGINT', grace: 5,
    set: '`kill_timeout` of the task', front: 'at', late: [5, 5],
    note: 'SIGTERM with the driver `docker`; `shutdown_delay` delays the signal until traffic has stopped'
  },
  {
    name: 'pm2', title: 'pm2', env: { pm_id: /^\d+$/ }, manager: true, signal: 'SIGINT', grace: 1.6,
    shown: { variable: 'kill_timeout', unit: 1 }, set: '`kill_timeout`', front: 'none'
  },
  {
    name: 'systemd', title: 'systemd', env: { INVOCATION_ID: /^[\da-f]{32}$/ }, manager: true, signal: 'SIGTERM',
    grace: 90, set: '`TimeoutStopSec`', front: 'none',
    note: '`SYSTEMD_EXEC_PID` must be this process or its parent; before systemd 248 the parent must be PID 1'
  },
  {
    name: 'digitalocean', title: 'DigitalOcean App Platform', env: {}, signal: 'SIGTERM', grace: 120,
    set: '`termination.grace_period_seconds` of the app spec, at most 600', front: 'before',
    note: '`drain_seconds` (15) pass between the removal from the load balancers and the signal'
  },
  {
    name: 'northflank', title: 'Northflank', env: {}, signal: 'SIGTERM', grace: 10, set: 'not known', front: 'unknown',
    late: [5, 15], unread: 'all of it'
  },
  {
    name: 'swarm', title: 'Docker Swarm', env: {}, signal: 'SIGTERM', grace: 10, set: '`stop_grace_period`',
    front: 'unknown', late: [2, 2]
  },
  {
    name: 'docker', title: 'Docker, Compose', env: {}, signal: 'SIGTERM', grace: 10,
    set: '`docker stop --time` or `stop_grace_period`', front: 'none'
  }
]

/** Every name that the option `platform` takes. */
export const platformNames: readonly string[] = platforms.map(({ name }) => name)

/**
 * What the variables of a process show, in the order of precedence.
 *
 * @param watt what is known of Platformatic's runtime; undefined where there is none
 */
export function recognise (env: NodeJS.ProcessEnv, watt?: { gracePeriod: number | undefined }): Platform[] {
  return platforms.flatMap((platform) => {
    if (platform.name !== 'platformatic') return isThere(platform, env) ? [platform] : []
    const { gracePeriod = platform.grace * 1000 } = watt ?? {}
    return watt ? [{ ...platform, grace: gracePeriod / 1000 }] : []
  })
}

function isThere ({ name, env: variables }: Platform, env: NodeJS.ProcessEnv): boolean {
  const all = Object.entries(variables)
  const isSet = all.length > 0 && all.every(([variable, value]) => value.test(readVariable(env, variable) ?? ''))
  return isSet && (name !== 'systemd' || isUnit(env))
}

/** Terminals and the shells in them are units, too, and hand their variables on. */
function isUnit (env: NodeJS.ProcessEnv): boolean {
  const started = readVariable(env, 'SYSTEMD_EXEC_PID')
  return started === undefined ? process.ppid === 1 : [process.pid, process.ppid].some((pid) => String(pid) === started)
}

/** Platformatic's runtime, as a service that it runs sees it. */
export interface Platformatic {
  /** When the runtime kills the service, in milliseconds from its `close()`; undefined where it says nothing. */
  gracePeriod: number | undefined
  /** How many worker threads run the service, each with a listener of its own on one port. */
  workers: number
}

interface RuntimeData {
  config?: { gracefulShutdown?: Record<string, unknown> }
  worker?: { count?: unknown }
}

/** Looks for Platformatic's runtime, which shows itself as `globalThis.platformatic`; undefined where there is none. */
export function readPlatformatic (data: unknown = workerData): Platformatic | undefined {
  if (!('platformatic' in globalThis)) return undefined
  const { config, worker } = (data ?? {}) as RuntimeData
  // `runtime` is for all, `application` (`service` before version 3) for one.
  const { runtime, application, service } = config?.gracefulShutdown ?? {}
  const times = [runtime, application, service]
    .filter((time): time is number => typeof time === 'number' && time >= 1000)
  const count = Number(worker?.count)
  return { gracePeriod: times.length === 0 ? undefined : Math.min(...times), workers: count >= 1 ? count : 1 }
}

import cluster from 'node:cluster'
import { basename } from 'node:path'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'

/** Names the service's process to all that it starts: they inherit the environment, and `fork` Node's options. */
const serviceVariable = 'FASTIFY_GRACEFUL_SERVICE_PID'

/** Programs that start the service as another process; with `NODE_OPTIONS` they load what is meant for that. */
const launchers = new Set([
  'npm', 'npm-cli', 'npx', 'npx-cli', 'pnpm', 'pnpx', 'yarn', 'yarnpkg', 'corepack', 'nodemon',
  'tsx', 'dotenv', 'dotenvx', 'env-cmd', 'cross-env', 'cross-env-shell', 'concurrently', 'pm2',
  'pm2-runtime'
])
const evaluates = /^(?:-e|-p|-pe|--eval|--print)(?:=|$)/

/** Whether this process was started as the service: not a helper or thread of it, a launcher or a prompt. */
export function isServiceProcess (): boolean {
  if (!isMainThread || isLauncher() || isPrompt()) return false
  const service = process.env[serviceVariable]
  // A worker of a cluster serves, whoever its primary is.
  if (service === undefined || service === String(process.pid) || cluster.isWorker) {
    process.env[serviceVariable] = String(process.pid)
    return true
  }
  return false
}

/** Whether it only starts others that serve. */
export function isPrimary (): boolean {
  return cluster.isPrimary && Object.keys(cluster.workers ?? {}).length > 0
}

function isLauncher (): boolean {
  const [, script = ''] = process.argv
  return launchers.has(basename(script).replace(/\.[cm]?[jt]s$/, ''))
}

function isPrompt (): boolean {
  return process.argv[1] === undefined && isatty(0) && !process.execArgv.some((option) => evaluates.test(option))
}

import { existsSync, readdirSync, statSync } from 'node:fs'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ServiceOptions } from '../../lib/drill/replicas.ts'
import { cleanEnv } from '../support/clean-env.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** How a replica ends on SIGTERM: with the plugin and its default options, or with `app.close()` and nothing else. */
export type Shutdown = 'graceful' | 'plain'

/** What to start. */
export interface ReplicaOptions {
  shutdown: Shutdown
  /** Seconds from SIGTERM to SIGKILL, told to the replica as Kubernetes charts do. */
  graceSeconds: number
}

/**
 * The client and the balancer stand for a whole network, which does not pause because this machine is busy: a pause
 * of theirs would be a silence that says nothing. So they go first, where the system allows it; replicas do not.
 */
export function prefer (pid: number | undefined, priority: number): void {
  try {
    setPriority(pid ?? 0, priority)
  } catch {
    // Only root may. Then a busy machine makes for a rougher test, not for a milder one.
  }
}

function newest (folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Math.max(...files.map((entry) => statSync(`${entry.parentPath}/${entry.name}`).mtimeMs))
}

/**
 * Replicas run what a user would install.
 * @throws Error where the last build is missing, or older than `lib`
 */
export function ensureBuilt (): void {
  const built = `${root}dist/index.js`
  if (existsSync(built) && statSync(built).mtimeMs >= newest(`${root}lib`)) return
  throw new Error('dist is missing or older than lib: npm run build')
}

/** `replica.js`, as a pod is started: without a test runner's loaders, and with what Kubernetes sets. */
export function serviceOf ({ shutdown, graceSeconds }: ReplicaOptions): ServiceOptions {
  return {
    command: ['env', ...cleanEnv, process.execPath, fileURLToPath(new URL('replica.js', import.meta.url))],
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      SHUTDOWN: shutdown,
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      TERMINATION_GRACE_PERIOD_SECONDS: String(graceSeconds)
    },
    // Without the plugin nobody answers `/readyz`.
    readyPath: shutdown === 'graceful' ? '/readyz' : '/'
  }
}

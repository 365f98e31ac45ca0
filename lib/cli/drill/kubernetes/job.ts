import { posix } from 'node:path'
import type { Given } from '../option.ts'
import type { Pod } from './api.ts'
import type { Target } from './target.ts'

/** What a Job is made from. */
export interface JobPlan {
  /** What tells this drill from others: of the Job's name, and of its labels. */
  mark: string
  target: Target
  /** A pod of the deployment, as the cluster has it: with what admission has added. */
  sample: Pod
  /** What the load is put on. */
  url: string
  /** Milliseconds of load at most, and for one answer. */
  duration: number
  timeout: number
  node: string | undefined
  given: Given
}

/** The label that a drill's own objects have, with its mark as value. */
export const drillLabel = 'fastify-graceful/drill'

/** Options of the command that the load takes over as they were typed. */
const handedOn = [
  'path', 'openapi', 'websocket', 'events', 'header', 'data', 'status', 'weight', 'rate', 'connections', 'keep-alive',
  'clients', 'timeout', 'boot', 'ready-path'
]
/** Where images keep an application that does not say. */
const usualFolders = ['/app', '/usr/src/app', '/home/node/app', '/srv', '/srv/app', '/workspace']
/** A user that owns nothing, where the deployment names none. */
const nobody = 65_532
/** Seconds that a finished Job is kept, where nobody has deleted it, and those around its load. */
const [keptFor, around] = [600, 90]

/**
 * Starts the package of the image, wherever an application has it. The line is for `node -e`; what follows its first
 * argument is the command.
 */
export const script: string = 'const [,folders]=process.argv,paths=[process.cwd(),...JSON.parse(folders)];let own;'
  + "try{own=require.resolve('fastify-graceful/package.json',{paths})}"
  + "catch{console.error('the image has no package fastify-graceful in '+paths);process.exit(2)}"
  + "import(require('node:url').pathToFileURL(own.replace(/package\\.json$/,'dist/cli/index.js')))"

export const nameOf = (mark: string): string => `fastify-graceful-drill-${mark}`

/** Folders that the application may be in, the nearest first. */
function foldersOf ({ command = [], args = [], workingDir }: Target['container']): string[] {
  const files = [...command, ...args].filter((text) => posix.isAbsolute(text)).map((text) => posix.dirname(text))
  return [...new Set([...workingDir === undefined ? [] : [workingDir], ...files, ...usualFolders])]
}

/** The manifest of the Job that puts the load on the Service. It has nothing of the service but its image. */
export function jobOf ({ mark, target, sample, url, duration, timeout, node, given }: JobPlan): object {
  const { container, pod } = target
  const labels = {
    'app.kubernetes.io/name': 'fastify-graceful-drill',
    'app.kubernetes.io/managed-by': 'fastify-graceful',
    [drillLabel]: mark
  }
  const { runAsUser = 0, runAsGroup } = { ...pod.securityContext, ...container.securityContext }
  const user = runAsUser === 0 ? nobody : runAsUser
  const program = container.command?.[0] ?? ''
  const options = given.inOrder.filter(([flag]) => handedOn.includes(flag)).map(([flag, value]) => `--${flag}=${value}`)
  const seconds = Math.ceil(duration / 1000)
  const optional = {
    imagePullSecrets: sample.spec.imagePullSecrets, nodeSelector: pod.nodeSelector, tolerations: pod.tolerations
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: nameOf(mark), labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: seconds + around,
      ttlSecondsAfterFinished: keptFor,
      template: {
        // A proxy would count as a loss what it does itself, and keep the pod when the load is over.
        metadata: { labels, annotations: { 'sidecar.istio.io/inject': 'false', 'linkerd.io/inject': 'disabled' } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: Math.ceil(timeout / 1000) + 15,
          ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
          securityContext: {
            runAsNonRoot: true, runAsUser: user, runAsGroup: runAsGroup ?? user,
            seccompProfile: { type: 'RuntimeDefault' }
          },
          containers: [{
            name: 'load',
            image: container.image,
            ...container.imagePullPolicy === undefined ? {} : { imagePullPolicy: container.imagePullPolicy },
            ...container.workingDir === undefined ? {} : { workingDir: container.workingDir },
            command: [node ?? (posix.basename(program) === 'node' ? program : 'node'), '-e', script],
            args: [
              JSON.stringify(foldersOf(container)), 'drill',
              `--load=${url}`, `--duration=${seconds}s`, `--mark=${mark}`, ...options
            ],
            resources: {
              requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' }
            },
            securityContext: {
              allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] }
            }
          }]
        }
      }
    }
  }
}

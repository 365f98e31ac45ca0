import { randomUUID } from 'node:crypto'
import type { Replica } from '../../../lib/drill/index.ts'

export const image = 'registry.example/shop:1.2.3'
export const labels = { 'app.kubernetes.io/name': 'shop', tier: 'web' }

/** How a pod ends, besides its exit code. */
export interface Ending { disruption?: { reason: string, message: string }, message?: string }

const second = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`

/** The spec of the pods, as the API server answers it. */
export const podSpec = {
  containers: [
    { name: 'app', image, imagePullPolicy: 'IfNotPresent', command: ['node', '/app/server.js'], resources: {} },
    { name: 'proxy', image: 'registry.example/proxy:1', imagePullPolicy: 'IfNotPresent', resources: {} }
  ],
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  securityContext: { runAsUser: 1000 },
  nodeSelector: { pool: 'web' },
  tolerations: [{ key: 'web', operator: 'Exists', effect: 'NoSchedule' }]
}

/** One pod of the made-up cluster: a real process, and what the API would say of it. */
export class FakePod {
  readonly uid: string = randomUUID()
  readonly name: string
  readonly createdAt: number = Date.now()
  readonly lines: string[] = []
  readonly followers: Set<(line: string) => void> = new Set()
  replica: Replica | undefined
  ending: Ending = {}
  /** What its container waits for. */
  waiting: { reason: string, message: string } | undefined = { reason: 'ContainerCreating', message: '' }
  readyAt: number | undefined
  deletedAt: number | undefined
  end: { code: number, at: number } | undefined
  restarts = 0
  readonly exited: Promise<void>
  #exit: () => void = () => {}

  readonly #container: 'app' | 'load'

  constructor (name: string, container: 'app' | 'load' = 'app') {
    this.name = name
    this.#container = container
    this.exited = new Promise((resolve) => { this.#exit = resolve })
  }

  say (line: string): void {
    this.lines.push(line)
    for (const follower of this.followers) follower(line)
  }

  finish (code: number): void {
    this.end = { code, at: Date.now() }
    this.#exit()
  }

  /** It as the API has it. */
  get object (): object {
    const { waiting, end, readyAt, ending: { disruption, message } } = this
    const state = end !== undefined
      ? {
          terminated: {
            exitCode: end.code, reason: end.code === 0 ? 'Completed' : 'Error', startedAt: second(this.createdAt),
            finishedAt: second(end.at), ...message === undefined ? {} : { message }
          }
        }
      : waiting !== undefined ? { waiting } : { running: { startedAt: second(this.createdAt) } }
    const isReady = readyAt !== undefined && end === undefined
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: this.name, namespace: 'shop', uid: this.uid, creationTimestamp: second(this.createdAt),
        labels: { ...labels, 'pod-template-hash': '7d9f' },
        ...this.deletedAt === undefined ? {} : {
          deletionTimestamp: second(this.deletedAt + 30_000), deletionGracePeriodSeconds: 30
        }
      },
      spec: { ...podSpec, imagePullSecrets: [{ name: 'registry' }], nodeName: 'node-1' },
      status: {
        phase: end !== undefined ? (end.code === 0 ? 'Succeeded' : 'Failed') : waiting === undefined ? 'Running' : 'Pending',
        conditions: [
          ...disruption === undefined ? [] : [{ type: 'DisruptionTarget', status: 'True', ...disruption }],
          { type: 'PodScheduled', status: 'True', lastTransitionTime: second(this.createdAt) },
          {
            type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime: second(readyAt ?? this.createdAt)
          }
        ],
        containerStatuses: [
          ...this.#container === 'load' ? [] : [
            { name: 'proxy', ready: isReady, restartCount: 3, state: { running: { startedAt: second(this.createdAt) } } }
          ],
          { name: this.#container, ready: isReady, restartCount: this.restarts, state }
        ]
      }
    }
  }
}

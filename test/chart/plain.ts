import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMap, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { service } from './render.ts'
import { helm } from './tools.ts'

/** Where the plain manifests are. */
export const folder: string = fileURLToPath(new URL('../../examples/kubernetes/base', import.meta.url))

/** The oldest Kubernetes that takes them as they are; the chart has others for older ones. */
export const oldest = '1.27'

const release = 'shop'
const header = ' Written by "npm run manifests" from charts/graceful-service with values.yaml: change those, not this.\n'
  + ` For Kubernetes ${oldest} and later.`
/** What is Helm's own in every object. */
const ofHelm = ['helm.sh/chart', 'app.kubernetes.io/managed-by']

/** Kustomize's own files, which are written by hand. */
const isOwn = (name: string): boolean => ['kustomization.yaml', 'values.yaml'].includes(name)

/** The manifests that are there, by file name. */
export function written (): Map<string, string> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml') && !isOwn(name)).toSorted()
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

/** Rids an object of what only Helm wants there, and of the namespace, which kubectl or kustomize gives it. */
function plain (document: Document): void {
  document.deleteIn(['metadata', 'namespace'])
  for (const path of [['metadata', 'labels'], ['spec', 'template', 'metadata', 'labels']]) {
    const labels = document.getIn(path)
    if (isMap(labels)) for (const label of ofHelm) labels.delete(label)
  }
}

/** The manifests as they are to be, by file name. */
export async function manifests (): Promise<Map<string, string>> {
  const args = ['template', release, service, '--kube-version', oldest, '--values', join(folder, 'values.yaml')]
  const { code, stdout, stderr } = await helm(args)
  if (code !== 0) throw new Error(stderr)
  const found = new Map<string, string>()
  for (const text of stdout.split(/^---$/m)) {
    const [, name] = /^# Source: .*\/([^/]+\.yaml)$/m.exec(text) ?? []
    if (name === undefined) continue
    const document = parseDocument(text.replace(/^# Source: .*\n/m, ''))
    plain(document)
    document.commentBefore = header
    found.set(name, document.toString({ lineWidth: 0 }))
  }
  return found
}

import { readFileSync } from 'node:fs'
import type { Manifest } from './manifests.ts'

/**
 * What the oldest Kubernetes that the charts support knows: its kinds, and for each type the fields with their types;
 * `''` has no fields of its own. From `api/openapi-spec/swagger.json` of Kubernetes 1.20.2, without status.
 */
interface Api { kinds: Record<string, string>, types: Record<string, Record<string, string>> }

const api = JSON.parse(readFileSync(new URL('./fixtures/kubernetes-1.20.json', import.meta.url), 'utf8')) as Api

/** The kinds and fields of a manifest that Kubernetes 1.20 does not know, as `Service.spec.loadBalancerClass`. */
export function unknownToOldest (manifest: Manifest): string[] {
  const kind = `${manifest.apiVersion} ${manifest.kind}`
  const type = api.kinds[kind]
  return type === undefined ? [kind] : unknownFields(manifest, type, manifest.kind)
}

function unknownFields (value: unknown, type: string, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => unknownFields(item, type, path))
  const fields = api.types[type]
  if (fields === undefined || typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => {
    const next = fields[name]
    return next === undefined ? [`${path}.${name}`] : unknownFields(inner, next, `${path}.${name}`)
  })
}

import { KubectlError } from './kubectl.ts'
import type { Kubectl } from './kubectl.ts'
import type { KubeConfig, Versions } from './api.ts'

/** Where kubectl goes. */
export interface Place { context: string, cluster: string, server: string, namespace: string }

/** What only a cluster that serves somebody is called. */
const signs = /prod(?:uction)?(?![a-z])|(?<![a-z])(?:prd|live)(?![a-z])/i
/** Minor versions of kubectl 1: older ones lack what is asked of them. */
const oldestMinor = 20
/** Milliseconds for its first answer. */
const firstPatience = 10_000

/** Looks whether there is a kubectl, and a cluster. @throws KubectlError */
export async function checkVersion (kubectl: Kubectl, signal: AbortSignal): Promise<string> {
  const text = await kubectl.run(['version', '-o', 'json'], { within: firstPatience, signal })
  const { clientVersion, serverVersion } = JSON.parse(text) as Versions
  const minor = Number.parseInt(clientVersion?.minor ?? '', 10)
  if (minor < oldestMinor) {
    throw new KubectlError(`kubectl ${clientVersion?.gitVersion} is too old: 1.${oldestMinor} or later is needed`)
  }
  return `kubectl ${clientVersion?.gitVersion}, Kubernetes ${serverVersion?.gitVersion}`
}

/** Asks kubectl where it goes; undefined where its configuration does not say, as inside a cluster. */
export async function findPlace (
  kubectl: Kubectl, namespace: string | undefined, signal: AbortSignal
): Promise<Place | undefined> {
  let config: KubeConfig
  try {
    config = JSON.parse(await kubectl.run(['config', 'view', '--minify', '-o', 'json'], { signal })) as KubeConfig
  } catch (error) {
    if (/current-context must exist/.test(String(error))) return undefined
    throw error
  }
  const [context] = config.contexts ?? []
  const [cluster] = config.clusters ?? []
  return {
    context: context?.name ?? '',
    cluster: context?.context?.cluster ?? '',
    server: cluster?.cluster?.server ?? '',
    namespace: namespace ?? (context?.context?.namespace || 'default')
  }
}

/** What makes a place look like production, in words; undefined where nothing does. */
export function productionSign (place: Place): string | undefined {
  for (const [what, text] of Object.entries(place)) {
    const found = signs.exec(text)
    if (found !== null) return `the ${what} '${text}' has '${found[0]}' in it`
  }
  return undefined
}

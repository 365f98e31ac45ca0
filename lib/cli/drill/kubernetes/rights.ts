import { KubectlError } from './kubectl.ts'
import type { Kubectl } from './kubectl.ts'

/** One row of a Role. */
interface Right {
  group: '' | 'apps' | 'batch'
  resource: string
  verbs: readonly string[]
  /** Whether it holds for the deployment alone. */
  isNamed?: boolean
  /** It goes without: only the reason of a Job that does not start is then unknown. */
  isOptional?: boolean
}

/** All that a drill does in a cluster. */
const rights: readonly Right[] = [
  { group: 'apps', resource: 'deployments', verbs: ['get', 'list', 'watch', 'patch'], isNamed: true },
  { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
  { group: '', resource: 'pods/log', verbs: ['get'] },
  { group: '', resource: 'services', verbs: ['get', 'list'] },
  { group: 'batch', resource: 'jobs', verbs: ['create', 'delete'] },
  { group: '', resource: 'events', verbs: ['list'], isOptional: true }
]

/** What whoever runs the drill is called in {@link printedRole}. */
const role = 'fastify-graceful-drill'

/** Asks for each right before anything is done. @throws KubectlError with those that are missing */
export async function checkRights (kubectl: Kubectl, deployment: string, signal: AbortSignal): Promise<void> {
  const all = rights.filter(({ isOptional }) => isOptional !== true)
    .flatMap((right) => right.verbs.map((verb) => ({ ...right, verb })))
  const answers = await Promise.all(all.map((right) => mayI(kubectl, right, deployment, signal)))
  const missing = all.filter((_right, index) => !answers[index])
    .map(({ verb, resource, group, isNamed }) =>
      `  ${verb} ${resource}${group === '' ? '' : `.${group}`}${isNamed === true ? ` ${deployment}` : ''}`)
  if (missing.length === 0) return
  throw new KubectlError(['these rights are missing, see --print-rbac:', ...missing].join('\n'))
}

async function mayI (
  kubectl: Kubectl, { verb, resource, group, isNamed }: Right & { verb: string }, deployment: string,
  signal: AbortSignal
): Promise<boolean> {
  const [plain = '', sub] = resource.split('/')
  const what = `${plain}${group === '' ? '' : `.${group}`}${isNamed === true ? `/${deployment}` : ''}`
  try {
    const args = ['auth', 'can-i', verb, what, ...sub === undefined ? [] : [`--subresource=${sub}`]]
    return (await kubectl.run(args, { signal })).startsWith('yes')
  } catch (error) {
    // It says no with an exit code, too.
    if (error instanceof KubectlError && /^no\b/.test(error.output)) return false
    throw error
  }
}

/** A Role with the rights, and a RoleBinding, as YAML. @param deployment the only one that it holds for */
export function printedRole (namespace: string, deployment: string | undefined): string {
  const metadata = `metadata:\n  name: ${role}\n  namespace: ${namespace}`
  const rules = rights.map(({ group, resource, verbs, isNamed, isOptional }) => [
    ...isOptional === true ? ['# Only tells why a Job does not start.'] : [],
    `- apiGroups: ["${group}"]`,
    `  resources: ["${resource}"]`,
    ...isNamed === true && deployment !== undefined ? [`  resourceNames: ["${deployment}"]`] : [],
    `  verbs: [${verbs.map((verb) => `"${verb}"`).join(', ')}]`
  ].map((line) => `  ${line}`).join('\n'))
  return `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
${metadata}
rules:
${rules.join('\n')}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
${metadata}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: ${role}
subjects:
  # Put here who runs the drill.
  - kind: ServiceAccount
    name: ${role}
    namespace: ${namespace}
`
}

import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { clusterFor, drill, env, example, kubectl, short, usual } from './kubernetes.ts'
import { image } from './pod.ts'
import { leaving, lossOf, recordOf, runOf } from './records.ts'

t.setTimeout(280_000)

// Scenario (The rehearsal of an update): A rolling update in a cluster: the load from inside, each pod's report,
// evictions, and what is made there
t.test('an update that loses nothing: pods, phases, evictions, and a Job that is removed', async (t) => {
  const message = '{"verdict":"clean"}\u001b[31m'
  const disruption = { reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' }
  const cluster = await clusterFor(t, { service: example, env, ending: { disruption, message } })
  const before = t.testdir({
    'before.json': JSON.stringify(recordOf([runOf([leaving('1 old')], [lossOf('refused', '1 old', 500)])]))
  })
  const { code, output, errors } = await drill(t, cluster, [
    ...short(), '--path', '/products/7', '--header', 'x-shop: 7', '--json', '-', '--compare', `${before}/before.json`
  ])
  t.equal(code, 0, 'exit code', { output, errors })
  t.match(errors, /kubectl v1\.35\.2, Kubernetes v1\.34\.1, context kind-test, namespace shop\n/)
  for (const what of ['signalled', 'announcing', 'closing', 'draining', 'terminated, exit 0', 'running']) {
    t.match(errors, new RegExp(`^ +\\d+\\.\\d s {2}pod shop-7d9f-\\w {2}${what}$`, 'm'), what)
  }
  t.match(errors, /^0 of \d+ requests lost$/m)
  t.match(errors, /^ +pod +end +last new connection +announcing +closing +draining +terminated +verdict/m)
  t.match(errors, /^ +shop-7d9f-a +exit 0 after .* clean$/m)
  t.match(errors, /shop-7d9f-a had to go: EvictionByEvictionAPI: Eviction API: evicting$/m)
  t.notMatch(errors, '\u001b', 'nothing reaches the terminal as it is')
  const record = JSON.parse(output)
  const [run] = record.runs
  t.ok(run.requests > 50 && run.lost === 0, 'the result of the load', { run })
  t.equal(run.replicas.length, 4)
  const [first] = run.replicas
  t.equal(first.report.verdict, 'clean')
  t.equal(first.pod.message, message)
  t.same(first.history.map((one: { phase: string }) => one.phase),
    ['starting', 'running', 'announcing', 'closing', 'draining', 'terminated'])
  t.equal(record.front, 'service shop:80')
  t.match(record.compared, { before: { requests: 1000, lost: 1 }, now: { requests: run.requests, lost: 0 } })
  t.match(errors, /^ +before +now$/m)

  const [job] = cluster.jobs
  t.same(cluster.deleted, [job!.metadata.name])
  t.notOk(cluster.isLoaded)
  const { template, ...spec } = job!.spec as { template: { spec: Record<string, unknown> } }
  t.match(spec, { backoffLimit: 0, ttlSecondsAfterFinished: 600, activeDeadlineSeconds: Number })
  const { containers: [container], ...pod } = template.spec as { containers: [Record<string, unknown>] }
  t.match(pod, {
    restartPolicy: 'Never', automountServiceAccountToken: false, imagePullSecrets: [{ name: 'registry' }],
    nodeSelector: { pool: 'web' }, tolerations: [{ key: 'web' }], securityContext: { runAsNonRoot: true, runAsUser: 1000 }
  })
  t.match(container, {
    image, command: ['node', '-e', String], resources: { limits: { cpu: '1', memory: '512Mi' } },
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false }
  })
  t.match((container['args'] as string[]).join(' '), /--load=http:\/\/shop\.shop\.svc:80 .*--path=\/products\/7 /)
  t.notOk('env' in container)
  for (const args of cluster.asked.slice(2)) t.ok(args.includes('--namespace=shop'), args.join(' '))
})

// Scenario, too: A rolling update in a cluster…
t.test('a service that ends at SIGTERM loses requests, twice', async (t) => {
  const cluster = await clusterFor(t, { lag: 700, replicas: 1 })
  const { code, output, errors } = await drill(t, cluster, [
    ...short({ updates: '2', 'keep-alive': '0%', rate: '150' }), '--path', '/', '-n', 'other', '--context', 'mine'
  ])
  t.equal(code, 1, 'exit code', { output, errors })
  t.match(output, /rollout restart 2 of 2$/m)
  t.match(output, /^lost, by kind, replica and phase$/m)
  t.match(output, /ms after the signal$/m)
  t.match(output, /Register the plugin, before everything else/)
  t.match(output, /which losses it would have saved nobody says/)
  t.equal(cluster.deleted.length, 1)
  t.ok(cluster.asked.every((args) => args.includes('--context=mine')))
  t.ok(cluster.asked.slice(2).every((args) => args.includes('--namespace=other')))
})

// Scenario (The rehearsal of an update): What a drill in a cluster refuses, and why it cannot be run
t.test('what cannot be drilled is exit code 2, and nothing is made', async (t) => {
  const cluster = await clusterFor(t, {
    replicas: 1, denied: ['create jobs.batch', 'get pods/log', 'patch deployments.apps/shop']
  })
  const { code, errors } = await drill(t, cluster, usual)
  t.equal(code, 2)
  const missing = ['patch deployments.apps shop', 'get pods/log', 'create jobs.batch'].map((right) => `  ${right}\n`)
  t.equal(errors, `these rights are missing, see --print-rbac:\n${missing.join('')}`)
  const other = await drill(t, await clusterFor(t, { replicas: 1 }), ['--kubernetes', 'deploy/other', '--kubectl', kubectl])
  t.equal(other.code, 2)
  t.match(other.errors, 'Error from server (NotFound): deployments.apps "other" not found')
  t.same(cluster.jobs, [])
  t.notOk(cluster.asked.some(([verb]) => verb === 'rollout'))
})

// Scenario, too: What a drill in a cluster refuses…
t.test('production, and wrong use, are exit code 64', async (t) => {
  const context = { name: 'eks-prod-1', cluster: 'b', server: 'https://c:6443' }
  const cluster = await clusterFor(t, { replicas: 1, denied: ['create jobs.batch'], context })
  const refused = await drill(t, cluster, usual)
  t.equal(refused.code, 64)
  t.match(refused.errors, /the context 'eks-prod-1' has 'prod' in it: .* --yes/)
  t.same(cluster.asked.map(([verb]) => verb), ['version', 'config'], 'nothing else was asked for')
  const allowed = await drill(t, cluster, [...usual, '--yes'])
  t.match(allowed.errors, /these rights are missing/, 'with --yes it goes on')

  const wrong: Array<[string[], RegExp]> = [
    [[...usual, '--front', 'alb'], /'--front' goes without '--kubernetes'/],
    [['--load', 'https://shop'], /'--load' must be an address/]
  ]
  for (const [args, message] of wrong) {
    const { code, errors } = await drill(t, cluster, args)
    t.equal(code, 64, args.join(' '), { errors })
    t.match(errors, message)
  }
})

// Scenario (The rehearsal of an update): The rights that a drill in a cluster needs are printed as a Role
t.test('the rights are printed as YAML', async (t) => {
  const { code, output } = await drill(t, { address: 'none' }, ['--print-rbac', '-n', 'shop', '--kubernetes', 'deployment/web'])
  t.equal(code, 0)
  const [role, binding] = parseAllDocuments(output).map((one) => one.toJS())
  t.match(role, { kind: 'Role', metadata: { namespace: 'shop' } })
  t.same(role.rules[0], {
    apiGroups: ['apps'], resources: ['deployments'], resourceNames: ['web'], verbs: ['get', 'list', 'watch', 'patch']
  })
  t.match(binding, { kind: 'RoleBinding', roleRef: { kind: 'Role', name: role.metadata.name }, subjects: [{ kind: 'ServiceAccount' }] })
})

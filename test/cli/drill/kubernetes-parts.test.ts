import t from 'tap'
import { adviceOf, drillInCluster } from '../../../lib/cli/drill/kubernetes/command.ts'
import { jobOf } from '../../../lib/cli/drill/kubernetes/job.ts'
import { checkVersion, findPlace, KubectlError, productionSign } from '../../../lib/cli/drill/kubernetes/kubectl.ts'
import type { Kubectl } from '../../../lib/cli/drill/kubernetes/kubectl.ts'
import { loadAlone } from '../../../lib/cli/drill/kubernetes/load.ts'
import { modeOf } from '../../../lib/cli/drill/kubernetes/modes.ts'
import { lineOf, linesOf, Parcel } from '../../../lib/cli/drill/kubernetes/parcel.ts'
import { Pods, watchEventOf } from '../../../lib/cli/drill/kubernetes/pods.ts'
import { checkRights, printedRole } from '../../../lib/cli/drill/kubernetes/rights.ts'
import { readClusterPlan } from '../../../lib/cli/drill/kubernetes/settings.ts'
import { findService, findTarget } from '../../../lib/cli/drill/kubernetes/target.ts'
import { parse } from '../../../lib/cli/drill/option.ts'
import { optionGroups } from '../../../lib/cli/drill/settings.ts'
import type { Summary } from '../../../lib/cli/report/summary.ts'
import { begunAt, lossOf, reportOf, runOf } from './records.ts'
import { FakePod, labels, podSpec } from './pod.ts'

const { signal } = new AbortController()
const typed = (...args: string[]) => parse(args, optionGroups.flatMap(([, options]) => options))!

/** A kubectl that answers by the beginning of a command. */
const answers = (table: Record<string, object | string | Error>): Kubectl => ({
  async run (args: readonly string[]) {
    const [, answer] = Object.entries(table).find(([begin]) => args.join(' ').startsWith(begin)) ?? []
    if (answer === undefined) throw new KubectlError(`nobody asks ${args.join(' ')}`)
    if (answer instanceof Error) throw answer
    return typeof answer === 'string' ? answer : JSON.stringify(answer)
  }
}) as unknown as Kubectl

const no = (output: string): KubectlError => new KubectlError('kubectl auth can-i: ended with 1', output)
const findDeployment = (one: object, container?: string) => findTarget(answers({ 'get deployments.apps': one }), 'shop', container, signal)
const service = (name: string, spec: object = {}): object =>
  ({ metadata: { name }, spec: { clusterIP: '10.0.0.1', selector: { tier: 'web' }, ports: [{ port: 80 }], ...spec } })
const find = (services: object[], given?: string) => findService(
  answers({ 'get services -o': { items: services }, 'get services': services[0]! }), labels, given, { namespace: 'x', signal }
)

// Scenario, too: What a drill in a cluster refuses…
t.test('names that look like production', async (t) => {
  const place = { context: 'a', cluster: 'b', server: 'https://c:6443', namespace: 'd' }
  const rows: Array<[keyof typeof place, string, string | undefined]> = [
    ['context', 'eks-prod-1', 'prod'], ['cluster', 'shopproduction', 'production'], ['namespace', 'PROD', 'PROD'],
    ['server', 'https://live.example:6443', 'live'], ['namespace', 'shop-prd', 'prd'], ['context', 'nonprod', 'prod'],
    ['context', 'product-catalog', undefined], ['cluster', 'olive', undefined], ['namespace', 'delivery', undefined]
  ]
  for (const [what, text, found] of rows) {
    const expected = found === undefined ? undefined : `the ${what} '${text}' has '${found}' in it`
    t.equal(productionSign({ ...place, [what]: text }), expected, text)
  }
})

// Scenario, too: What a drill in a cluster refuses…
t.test('where kubectl goes, and of what version it is', async (t) => {
  const config = { contexts: [{ name: 'a', context: { cluster: 'b' } }], clusters: [{ cluster: { server: 'c' } }] }
  t.same(await findPlace(answers({ 'config view': config }), undefined, signal),
    { context: 'a', cluster: 'b', server: 'c', namespace: 'default' })
  const none = new KubectlError('error: current-context must exist in order to minify')
  t.equal(await findPlace(answers({ 'config view': none }), 'shop', signal), undefined)
  await t.rejects(findPlace(answers({}), 'shop', signal), /nobody asks/)
  const version = { clientVersion: { gitVersion: 'v1.19.3', minor: '19+' } }
  await t.rejects(checkVersion(answers({ version }), signal), /kubectl v1\.19\.3 is too old: 1\.20 or later/)
})

// Scenario, too: What a drill in a cluster refuses…
t.test('rights', async (t) => {
  await t.rejects(checkRights(answers({ 'auth can-i get pods --subresource=log': no('no\n'), 'auth can-i': 'yes\n' }), 'shop', signal),
    { message: 'these rights are missing, see --print-rbac:\n  get pods/log' })
  await t.rejects(checkRights(answers({ 'auth can-i': no('') }), 'shop', signal), /ended with 1/, 'no answer is no "no"')
  await checkRights(answers({ 'auth can-i': 'yes\n' }), 'shop', signal)
  t.notMatch(printedRole('shop', undefined), 'resourceNames')
})

const deployment = (spec: object = {}, template: object = {}): object => ({
  metadata: { name: 'shop', generation: 1 },
  spec: {
    replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec, ...template }, ...spec
  },
  status: { observedGeneration: 1, replicas: 2, updatedReplicas: 2 }
})

// Scenario, too: What a drill in a cluster refuses…
t.test('deployments', async (t) => {
  const matchExpressions = [
    { key: 'a', operator: 'In', values: ['b', 'c'] }, { key: 'd', operator: 'NotIn', values: ['e'] },
    { key: 'f', operator: 'Exists' }, { key: 'g', operator: 'DoesNotExist' }
  ]
  const target = await findDeployment(deployment({ selector: { matchExpressions }, strategy: { type: 'Recreate' } }))
  t.match(target, { selector: 'a in (b,c),d notin (e),f,!g', grace: 30_000, container: { name: 'app' }, notes: [/Recreate/] })
  const annotations = { 'kubectl.kubernetes.io/default-container': 'proxy' }
  t.equal((await findDeployment(deployment({}, { metadata: { annotations } }))).container.name, 'proxy')
  await t.rejects(findDeployment(deployment(), 'web'), /there is no container 'web': app, proxy/)
  await t.rejects(findDeployment(deployment({ replicas: 0 })), /has no replicas/)
  await t.rejects(findDeployment(deployment({ paused: true })), /is paused/)
  await t.rejects(findDeployment(deployment({ replicas: 3 })), /is being updated or scaled/)
})

// Scenario, too: What a drill in a cluster refuses…
t.test('services', async (t) => {
  const others = [service('headless', { clusterIP: 'None' }), service('db', { selector: { tier: 'db' } }), service('bare', { selector: {} })]
  t.same(await find([...others, service('shop')]), { name: 'shop:80', url: 'http://shop.x.svc:80' })
  const ports = [{ name: 'metrics', port: 9 }, { name: 'http', port: 8080 }, { name: 'dns', port: 53, protocol: 'UDP' }]
  t.equal((await find([service('shop', { ports })])).name, 'shop:8080')
  t.equal((await find([service('shop', { ports })], 'shop:metrics')).name, 'shop:9')
  await t.rejects(find([service('shop', { ports })], 'shop:53'), /which port\? --service shop:<port>, of 9 \(metrics\), 8080 \(http\)/)
  await t.rejects(find(others), /no service in front selects the pods/)
  await t.rejects(find([service('a'), service('b')]), /choose one with --service: a, b/)
  await t.rejects(find(others, 'headless'), /has no address of its own/)
  await t.rejects(find([others[1]!], 'db'), /service db does not select the pods/)
})

// Scenario, too: What a drill in a cluster refuses…
t.test('what was typed', async (t) => {
  const wrong: Array<[string[], RegExp]> = [
    [['--kubernetes', 'statefulset/shop'], /'--kubernetes' must be deployment\/<name>, got 'statefulset\/shop'/],
    [['--kubernetes', 'deployment/--all'], /must be deployment\/<name>/],
    [['--kubernetes', 'deploy/a', '-n', '--all'], /'--namespace' must be followed/],
    [['--kubernetes', 'deploy/a', '--service', '-x:1'], /'--service' must be followed/],
    [['--kubernetes', 'deploy/a', 'service.js'], /takes no service of this machine, got 'service.js'/],
    [['--kubernetes', 'deploy/a', '--har', 'a.har'], /'--har' goes without '--kubernetes'/],
    [['--kubernetes', 'deploy/a', '--rate', '5000'], /'--rate' must be a whole number from 1 to 1000, got '5000'/],
    [['--kubernetes', 'deploy/a', '--data', '@body.json'], /'--data' must be a body/],
    [['--kubernetes', 'deploy/a', '--openapi', 'api.json'], /'--openapi' must be a route/],
    [['--yes', 'service.js'], /'--yes' needs '--kubernetes'/],
    [['--mark', 'x', 'service.js'], /'--mark' needs '--load'/],
    [['-k', 'x'], /unknown option '-k'/]
  ]
  for (const [args, message] of wrong) {
    t.throws(() => {
      const all = typed(...args)
      modeOf(all)
      readClusterPlan(all.given)
    }, message, args.join(' '))
  }
  t.match(readClusterPlan(typed('--kubernetes', 'deploy/shop', '-n', 'x').given), {
    deployment: 'shop', namespace: 'x', updates: 1, within: 300_000, load: { rate: 100, connections: 100 }
  })
  t.equal(modeOf(typed('--load', 'http://a')), 'load')
  t.equal(modeOf(typed('service.js')), 'here')
  await t.rejects(loadAlone(typed('--load', 'http://a/path').given), /must be an address/)
  await t.rejects(drillInCluster(typed('--kubernetes', 'pod/a').given), /must be deployment/)
})

t.test('the result comes in pieces, in whatever order, between other lines', async (t) => {
  const run = runOf([], Array.from({ length: 100 }, () => lossOf('refused', undefined, undefined)))
  const lines = linesOf('abc', run).trimEnd().split('\n')
  t.ok(lines.length > 3 && lines.every((line) => line.length < 16_384))
  const parcel = new Parcel('abc')
  t.equal(parcel.read('{"other":1}'), undefined)
  t.equal(parcel.read(lineOf('other', { what: 'loaded' })), undefined)
  t.match(parcel.read(lineOf('abc', { what: 'progress', requests: 3, lost: 1 })), { requests: 3 })
  for (const line of lines.toReversed()) parcel.read(line)
  t.same(parcel.run, JSON.parse(JSON.stringify(run)))
  const foreign = new Parcel('x')
  t.throws(() => foreign.read(lineOf('x', { what: 'part', index: 0, of: 1, text: '{}' })), /another version/)
})

t.test('a Job has nothing of the service but its image', async (t) => {
  const base = { deployment: 'shop', replicas: 1, grace: 30_000, selector: 'a', notes: [] }
  const container = { name: 'app', image: 'shop:1', workingDir: '/shop', command: ['/nodejs/bin/node', '/shop/dist/server.js'] }
  const sample = { metadata: { name: 'a' }, spec: { containers: [container] } }
  const job = jobOf({
    mark: 'abc', target: { ...base, container, pod: { containers: [container] } }, sample, url: 'http://a', duration: 1500,
    timeout: 15_000, node: undefined, given: typed('--kubernetes', 'deploy/a', '--path', '/x', '--yes', '--rate', '5').given
  })
  t.match(job, {
    metadata: { name: 'fastify-graceful-drill-abc', labels: { 'fastify-graceful/drill': 'abc' } },
    spec: { activeDeadlineSeconds: 92, template: { spec: { securityContext: { runAsUser: 65_532 }, containers: [{
      command: ['/nodejs/bin/node'], workingDir: '/shop'
    }] } } }
  })
  const { args } = (job as { spec: { template: { spec: { containers: [{ args: string[] }] } } } }).spec.template.spec.containers[0]
  t.same(JSON.parse(args[0]!).slice(0, 3), ['/shop', '/nodejs/bin', '/shop/dist'])
  t.same(args.slice(1), ['drill', '--load=http://a', '--duration=2s', '--mark=abc', '--path=/x', '--rate=5'])
})

t.test('pods, as the cluster and their logs tell', async (t) => {
  const told: string[] = []
  const pods = new Pods('app', (name, what) => told.push(`${name} ${what}`))
  const pod = new FakePod('shop-a')
  const see = (type: string): void => pods.read(watchEventOf(JSON.stringify({ type, object: pod.object }))!)
  see('ADDED')
  pod.waiting = undefined
  pod.readyAt = Date.now()
  see('MODIFIED')
  pod.restarts = 1
  pod.ending = { disruption: { reason: 'PreemptionByScheduler', message: 'preempting' } }
  pod.deletedAt = Date.now() - 40_000
  see('MODIFIED')
  const origin = { file: 'log', pod: 'shop-a' }
  pods.hear({ event: 'graceful.phase', fields: { event: 'graceful.phase', phase: 'announcing', time: 5 }, origin })
  pods.hear({ event: 'graceful.report', fields: { report: reportOf() }, origin: { ...origin, pod: 'another' } })
  pod.finish(137)
  see('MODIFIED')
  t.notOk(await pods.until(() => pods.all.every(({ isGone }) => isGone), 10, signal))
  see('DELETED')
  t.ok(await pods.until(() => pods.all.every(({ isGone }) => isGone), 10, signal))
  t.same(told, [
    'shop-a running', 'shop-a has to go: PreemptionByScheduler: preempting', 'shop-a signalled',
    'shop-a its container was started again', 'shop-a announcing', 'shop-a terminated, exit 137'
  ])
  t.match(pods.all[0]!.record(30_000), {
    name: 'shop-a', departure: { code: 137, isKilled: true }, report: undefined,
    pod: { restarts: 1, reason: 'Error', disruption: 'PreemptionByScheduler: preempting' }
  })
  pods.hear({ event: 'graceful.report', fields: { report: reportOf() }, origin })
  t.equal(pods.all[0]!.signalledAt, begunAt + 3000, 'its own word is exact')
  t.equal(watchEventOf('no JSON'), undefined)
  const other = new FakePod('shop-b')
  pods.read({ type: 'ADDED', object: other.object as never })
  pods.keep(new Set([pod.uid]))
  t.ok(pods.all.every(({ isGone }) => isGone), 'who is not there any more has gone')
})

t.test('advice in values of the chart', async (t) => {
  const names = { option: 'announce.min', variable: 'V', chart: 'announce.minSeconds' } as const
  const advice = {
    values: [{ ...names, value: 8000, isEnough: true, causes: [{ text: 'late', reports: 2 }] }],
    others: [{ text: 'a crash', reports: 1 }]
  }
  t.match(adviceOf({ advice, reports: 2 } as unknown as Summary, 5), [
    { action: 'Set announce.min to 8 s', because: '2 ends: late', settings: [{ chart: 'announce.minSeconds', value: 8000 }] },
    { action: 'a crash', because: '1 end' }
  ])
  const none = { advice: { values: [], others: [] }, reports: 0 } as unknown as Summary
  t.match(adviceOf(none, 5), [{ cause: 'plugin' }])
  t.same(adviceOf(none, 0), [])
})

import t from 'tap'
import type { ClusterOptions } from './cluster.ts'
import { clusterFor, drill, outcomeOf, short, start, usual } from './kubernetes.ts'

t.setTimeout(280_000)

// Scenario, too: What a drill in a cluster refuses…
t.test('what fails on its way is told, and the Job is removed', async (t) => {
  const pull = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "registry.example/shop:1.2.3"' }
  const cases: Array<[name: string, options: Partial<ClusterOptions>, message: RegExp]> = [
    ['an image that cannot be pulled', { job: pull }, /^the Job cannot start: ImagePullBackOff, Back-off pulling image/m],
    ['no pod', { job: 'none' }, /did not start in 2 s: FailedCreate: Error creating: pods is forbidden: exceeded quota/],
    ['no package', { job: 'no package' }, /the load has ended: exit 2, Error\nthe image has no package fastify-graceful in /],
    ['a rollout that is stuck', { isStuck: true },
      /the update did not end: .*timed out waiting for the condition\npod shop-8c1a-stuck: CrashLoopBackOff, .*\nIt goes on .*rollout undo/]
  ]
  for (const [name, options, message] of cases) {
    const cluster = await clusterFor(t, { replicas: 1, ...options })
    const { code, errors, output } = await drill(t, cluster, short({ within: '2s', boot: options.job === 'none' ? '2s' : '30s' }))
    t.equal(code, 2, `${name}: exit code`, { errors, output })
    t.match(errors, message, name)
    t.same(cluster.deleted, cluster.jobs.map(({ metadata }) => metadata.name), `${name}: the Job is removed`)
    await cluster.stop()
  }
})

// Scenario, too: What a drill in a cluster refuses…
t.test('a load that dies ends the drill', async (t) => {
  const cluster = await clusterFor(t, { replicas: 1 })
  const child = start(t, cluster.address, short({ 'warm-up': '60s' }))
  child.stdout!.on('data', (chunk: Buffer) => { if (String(chunk).includes('load on service')) cluster.killLoad() })
  const { code, errors } = await outcomeOf(child)
  t.equal(code, 2)
  t.match(errors, /^the load has ended: exit 137, Error$/m)
  t.equal(cluster.deleted.length, 1)
})

// Scenario, too: What a drill in a cluster refuses…
t.test('a kubectl that is missing, or hangs', async (t) => {
  const missing = await drill(t, { address: 'none' }, ['--kubernetes', 'deployment/shop', '--kubectl', '/no/such/kubectl'])
  t.equal(missing.code, 2)
  t.equal(missing.errors, '/no/such/kubectl version -o json: there is no such program\n')
  const hangs = await drill(t, { address: 'hang' }, usual)
  t.equal(hangs.code, 2)
  t.match(hangs.errors, /kubectl\.js version -o json: did not answer in 10 s\n$/)
})

// Scenario (The rehearsal of an update): Ctrl-C in a drill in a cluster: the Job is removed, whenever it comes
t.test('whenever it is interrupted, the Job is removed', async (t) => {
  const moments: Array<[name: string, when: (args: string[]) => boolean, signal: NodeJS.Signals, code: number]> = [
    ['while the Job is made', ([verb]) => verb === 'create', 'SIGINT', 130],
    ['while it starts', (args) => args.some((one) => one.startsWith('fastify-graceful/drill=')), 'SIGTERM', 143],
    ['during the update', (args) => args[1] === 'status', 'SIGHUP', 129]
  ]
  for (const [name, when, signal, expected] of moments) {
    let child: ReturnType<typeof start> | undefined
    let isSent = false
    const cluster = await clusterFor(t, {
      replicas: 1, creating: 500,
      asked: (args) => {
        if (isSent || !when(args)) return
        isSent = true
        child!.kill(signal)
      }
    })
    child = start(t, cluster.address, short())
    const { code, errors } = await outcomeOf(child)
    t.equal(code, expected, `${name}: exit code`, { errors })
    t.match(errors, `${signal}: cleaning up; the same again ends at once`)
    t.equal(cluster.jobs.length, 1, `${name}: there was one`)
    t.same(cluster.deleted, cluster.jobs.map(({ metadata }) => metadata.name), `${name}: it is removed`)
    await cluster.stop()
  }
  let child: ReturnType<typeof start> | undefined
  let removals = 0
  const cluster = await clusterFor(t, {
    replicas: 1,
    asked: (args) => {
      if (args[1] === 'status') child!.kill('SIGINT')
      if (args[0] === 'delete' && ++removals === 1) child!.kill('SIGINT')
    }
  })
  child = start(t, cluster.address, short())
  const { code, errors } = await outcomeOf(child)
  t.equal(code, 130)
  t.match(errors, /The Job is still there, and ends by itself\. What removes it:\n\S+kubectl\.js delete jobs\.batch fastify-graceful-drill-\w{8} .*--namespace=shop\n/)
})

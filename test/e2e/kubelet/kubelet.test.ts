// The instrument itself: what a pod sees of this kubelet is what it would see of a real one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { inTime } from '../../support/stopwatch.ts'
import type { LogLine } from '../../../lib/drill/processes.ts'
import { readTail } from './container.ts'
import { expand } from './environment.ts'
import { readImage } from './image.ts'
import { readManifest } from './manifest.ts'
import type { Container, PodSpec, ProbeSpec } from './manifest.ts'
import { Pod } from './pod.ts'
import { until } from './until.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const image = {
  folder: root,
  entrypoint: [],
  command: ['node', 'test/e2e/kubelet/fixtures/witness.js', 'of', 'the', 'image'],
  env: { FROM: 'image' }
}

type Parts = {
  container?: Partial<Container>,
  pod?: Partial<PodSpec>,
  answers?: Record<string, number[]>,
  env?: Record<string, string>,
  objects?: object[]
}

function manifestOf ({ container, pod, answers = {}, env = {}, objects = [] }: Parts): string {
  const deployment = {
    kind: 'Deployment',
    metadata: { name: 'witness' },
    spec: {
      template: {
        metadata: { labels: { app: 'witness' } },
        spec: {
          ...pod,
          containers: [{
            name: 'witness',
            image: 'witness',
            ports: [{ name: 'http', containerPort: 3000 }],
            // In tenths of the seconds that a manifest can have, so that nobody waits.
            readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 0.1 },
            ...container,
            env: [
              ...Object.entries({ ANSWERS: JSON.stringify(answers), MESSAGE_PATH: '/dev/termination-log', ...env })
                .map(([name, value]) => ({ name, value })),
              ...container?.env ?? []
            ]
          }]
        }
      }
    }
  }
  return [...objects, deployment].map((object) => JSON.stringify(object)).join('\n---\n')
}

async function start (t: Test, parts: Parts): Promise<{ pod: Pod, changes: boolean[] }> {
  const changes: boolean[] = []
  const pod = await Pod.start({
    name: 'witness-1',
    manifest: readManifest(manifestOf(parts)),
    image,
    onChange: (pod) => { if (!pod.isDeleted) changes.push(pod.isReady) }
  })
  t.teardown(() => pod.destroy())
  return { pod, changes }
}

const requests = (pod: Pod): LogLine[] => pod.log.filter(({ event }) => event === 'request')

/** Patient, for a process that starts on a busy machine takes its time. */
const probe = (path: string, periodSeconds: number): ProbeSpec =>
  ({ httpGet: { path, port: 3000 }, periodSeconds, failureThreshold: 500 })

// Most of the time is waited, not worked.
t.jobs = 4

t.test('each probe is a connection of its own, with the headers of a kubelet', async (t) => {
  const { pod } = await start(t, {})
  await until(() => requests(pod).length >= 3, 'three probes came')
  const [first] = requests(pod)
  t.match(first, { url: '/ready', httpVersion: '1.1' })
  const { host, ...headers } = first!['headers'] as Record<string, string>
  t.ok(host)
  t.same(headers, { 'user-agent': 'kube-probe/1.34', accept: '*/*', connection: 'close' })
  t.equal(new Set(requests(pod).map((line) => line['connection'])).size, requests(pod).length)
})

t.test('startup comes first; when it has succeeded, readiness is asked at once', async (t) => {
  const { pod, changes } = await start(t, {
    answers: { '/start': [503, 503, 200] },
    container: {
      startupProbe: probe('/start', 0.1),
      readinessProbe: probe('/ready', 30),
      livenessProbe: probe('/live', 0.2)
    }
  })
  await until(() => requests(pod).some(({ url }) => url === '/live'), 'liveness was probed')
  const urls = requests(pod).map(({ url }) => url)
  t.same(urls.slice(0, 3), ['/start', '/start', '/start'])
  t.equal(urls.filter((url) => url === '/start').length, 3, 'and never again')
  t.ok(urls.includes('/ready'), 'readiness did not wait for its period')
  t.same(changes, [true])
  t.same(pod.restarts, [])
})

t.test('a result counts when it has come as often as its threshold says', async (t) => {
  const { pod, changes } = await start(t, {
    answers: { '/ready': [200, 200, 503, 200, 503, 503, 200, 302, 503] },
    container: {
      readinessProbe: {
        httpGet: { path: '/ready', port: 'http' },
        periodSeconds: 0.1,
        successThreshold: 2,
        failureThreshold: 2
      }
    }
  })
  await until(() => changes.length >= 4, 'readiness had changed four times')
  t.same(changes, [true, false, true, false])
  const outcomes = pod.probes.map(({ outcome }) => outcome)
  const first = outcomes.indexOf(200)
  t.same(outcomes.slice(first, first + 10), [200, 200, 503, 200, 503, 503, 200, 302, 503, 503])
})

t.test('an answer that does not come in time is a failure, and enough of those a restart', async (t) => {
  const { pod } = await start(t, {
    answers: { '/live': [0] },
    container: {
      startupProbe: probe('/start', 0.1),
      livenessProbe: {
        httpGet: { path: '/live', port: 'http' },
        initialDelaySeconds: 0.2,
        periodSeconds: 0.3,
        timeoutSeconds: 0.2,
        failureThreshold: 2
      }
    }
  })
  await until(() => pod.restarts.length > 0, 'liveness had failed')
  const failures = pod.probes.filter(({ kind }) => kind === 'liveness')
  t.same(failures.map(({ outcome }) => outcome), ['no answer in 200 ms', 'no answer in 200 ms'])
  t.ok(failures.every(({ took }) => took >= 190))
})

t.test('a pod that ends at SIGTERM', async (t) => {
  const { pod } = await start(t, { env: { MESSAGE: 'gone' } })
  await pod.untilReady()
  t.match(
    await pod.delete(),
    { code: 0, signal: null, wasKilled: false, graceAfterSignal: 30, preStop: undefined, message: 'gone' }
  )
  t.same(pod.restarts, [])
})

t.test('a pod that does not is killed when its grace is over; readiness is probed until then, liveness is not',
  async (t) => {
    const { pod } = await start(t, {
      env: { DEAF: 'yes' },
      pod: { terminationGracePeriodSeconds: 2 },
      container: { livenessProbe: probe('/live', 0.1) }
    })
    await pod.untilReady()
    await until(() => requests(pod).some(({ url }) => url === '/live'), 'liveness was probed')
    const { took, probes, ...departure } = await pod.delete()
    t.match(departure, { code: null, signal: 'SIGKILL', wasKilled: true, graceAfterSignal: 2 })
    inTime(t, { time: took, late: departure.waited }, [2000, 7000], 'after')
    t.ok(probes.length >= 3)
    t.ok(probes.every(({ kind }) => kind === 'readiness'))
  })

t.test('the time of a preStop hook comes off the grace period, in whole seconds', async (t) => {
  const { pod } = await start(t, {
    env: { DEAF: 'yes' },
    pod: { terminationGracePeriodSeconds: 4 },
    container: { lifecycle: { preStop: { exec: { command: ['sleep', '1.5'] } } } }
  })
  await pod.untilReady()
  const { took, ...departure } = await pod.delete()
  t.match(departure, { preStop: { outcome: 'done', subtracted: 1 }, graceAfterSignal: 3, wasKilled: true })
  inTime(t, { time: took, late: departure.waited }, [4500, 9500], 'after')
})

t.test('a hook that takes all of it leaves two seconds', async (t) => {
  const { pod } = await start(t, {
    env: { DEAF: 'yes' },
    pod: { terminationGracePeriodSeconds: 1 },
    container: { lifecycle: { preStop: { sleep: { seconds: 20 } } } }
  })
  await pod.untilReady()
  const { took, ...departure } = await pod.delete()
  t.match(departure, {
    preStop: { outcome: 'not done at the end of the grace period' },
    graceAfterSignal: 2,
    wasKilled: true
  })
  inTime(t, { time: took, late: departure.waited }, [3000, 8000], 'after')
})

t.test('a preStop call has its own agent and the headers of the manifest; what it answers changes nothing',
  async (t) => {
    const { pod } = await start(t, {
      answers: { '/-/prestop': [403] },
      container: {
        lifecycle: {
          preStop: {
            httpGet: {
              path: '/-/prestop',
              port: 'http',
              httpHeaders: [{ name: 'Authorization', value: 'Bearer of-good-news' }]
            }
          }
        }
      }
    })
    await pod.untilReady()
    t.match(
      await pod.delete(),
      { preStop: { outcome: 403, subtracted: 0 }, graceAfterSignal: 30, code: 0, wasKilled: false }
    )
    const events = pod.log.filter(({ event, url }) => event === 'signal' || url === '/-/prestop')
    t.match(
      events,
      [{ headers: { 'user-agent': 'kube-lifecycle/1.34', authorization: 'Bearer of-good-news' } }, { event: 'signal' }],
      'first the call, then the signal'
    )
  })

t.test('the environment is that of the image, the services and the manifest, on this machine', async (t) => {
  const { pod } = await start(t, {
    objects: [
      {
        kind: 'Secret',
        metadata: { name: 'keys' },
        stringData: { one: 'clear' },
        data: { two: Buffer.from('encoded').toString('base64') }
      }
    ],
    env: {
      PORT: '3000',
      METRICS_PORT: '9090',
      NOT_A_PORT_NUMBER: '3000',
      BASE: 'base',
      BOTH: '$(BASE) and $$(BASE) and $(NOTHING)',
      SCRATCH: '/scratch/files'
    },
    pod: { volumes: [{ name: 'scratch', emptyDir: {} }, { name: 'tmp', emptyDir: {} }] },
    container: {
      args: ['$(BASE)', '3000'],
      ports: [{ name: 'http', containerPort: 3000 }, { name: 'metrics', containerPort: 9090 }],
      volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }, { name: 'tmp', mountPath: '/tmp' }],
      resources: { limits: { cpu: '1500m', memory: '256Mi' } },
      command: ['node', 'test/e2e/kubelet/fixtures/witness.js'],
      env: [
        { name: 'ONE', valueFrom: { secretKeyRef: { name: 'keys', key: 'one' } } },
        { name: 'TWO', valueFrom: { secretKeyRef: { name: 'keys', key: 'two' } } },
        { name: 'NONE', valueFrom: { secretKeyRef: { name: 'keys', key: 'three', optional: true } } },
        { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } }
      ]
    }
  })
  await pod.untilReady()
  const { env, argv } = pod.log[0] as unknown as { env: Record<string, string>, argv: string[] }
  t.match(env, {
    FROM: 'image', KUBERNETES_SERVICE_HOST: '10.0.0.1', HOSTNAME: 'witness-1', BOTH: 'base and $(BASE) and $(NOTHING)',
    PORT: String(pod.port), NOT_A_PORT_NUMBER: '3000', ONE: 'clear', TWO: 'encoded', NAME: 'witness-1',
    LABEL: 'witness', CPU: '2', MEMORY: '256'
  })
  t.not(env['METRICS_PORT'], '9090', 'every port of the container is one of this machine')
  t.not(env['METRICS_PORT'], env['PORT'])
  t.equal(env['NONE'], undefined)
  t.equal(env['NODE_OPTIONS'], undefined, "nothing of the test runner's comes along")
  t.ok(env['TMPDIR']?.endsWith('/tmp') && env['TMPDIR'] !== '/tmp')
  t.ok(env['SCRATCH']?.endsWith('/scratch/files') && env['SCRATCH'] !== '/scratch/files')
  t.same(argv, ['base', '3000'], 'its arguments replace those of the image')
  t.equal(expand('$(A)$(A)', { A: 'x' }), 'xx')
})

t.test('the last 4096 bytes of a termination message are read', async (t) => {
  const { pod } = await start(t, { env: { MESSAGE: `${'x'.repeat(5000)}end` } })
  await pod.untilReady()
  t.equal((await pod.delete()).message, `${'x'.repeat(4093)}end`)
  const folder = mkdtempSync(join(tmpdir(), 'tail-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'empty'), '')
  t.equal(readTail(join(folder, 'empty')), '')
})

t.test('what this kubelet would have to leave out is refused', async (t) => {
  const refused = (parts: Parts, message: RegExp): void => {
    t.throws(() => readManifest(manifestOf(parts)), { message })
  }
  refused({ pod: { initContainers: [{}] } }, /initContainers/)
  refused({ container: { envFrom: [{}] } }, /envFrom/)
  refused({ container: { readinessProbe: { periodSeconds: 1 } } }, /a probe without httpGet/)
  refused({ container: { lifecycle: { preStop: { tcpSocket: {} } as object } } }, /this preStop/)
  refused({ pod: {}, objects: [{ kind: 'Deployment' }] }, /expected one Deployment, got 2/)
  t.throws(() => readManifest('a: [b'), 'what is no YAML')
  await t.rejects(
    start(t, { container: { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'nobody', key: 'a' } } }] } }),
    { message: /no a in a Secret nobody/ }
  )
  await t.rejects(start(t, { env: { PORT: '8080' } }), { message: "PORT is 8080, the container's port 3000" })
})

t.test('an image in shell form is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'image-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'Dockerfile'), 'FROM x\nWORKDIR /app\nCMD node server.js\n')
  t.throws(() => readImage(join(folder, 'Dockerfile'), root), {
    message: /CMD of .* is not in exec form: node server\.js/
  })
})

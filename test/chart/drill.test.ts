import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { jobOf, script } from '../../lib/cli/drill/kubernetes/job.ts'
import { printedRole } from '../../lib/cli/drill/kubernetes/rights.ts'
import { parse } from '../../lib/cli/drill/option.ts'
import { optionGroups } from '../../lib/cli/drill/settings.ts'
import { podSpec } from '../cli/drill/pod.ts'
import { droppedFields, schemaErrors, typeErrors } from './manifests.ts'
import type { Manifest } from './manifests.ts'
import { render, template } from './render.ts'

t.setTimeout(280_000)
const root = fileURLToPath(new URL('../..', import.meta.url))

// Scenario (The rehearsal of an update): The Job of a drill in a cluster, and its Role, are what each version of Kubernetes knows
t.test('the Job of a drill in a cluster, and its Role', async (t) => {
  const pod = { ...podSpec, imagePullSecrets: [{ name: 'registry' }] }
  const target = {
    deployment: 'shop', replicas: 2, grace: 30_000, selector: 'app=shop', pod, container: podSpec.containers[0]!, notes: []
  }
  const { given } = parse(['--kubernetes', 'deployment/shop', '--path', '/x'], optionGroups.flatMap(([, all]) => all))!
  const job = jobOf({
    mark: '01234567', target, sample: { metadata: { name: 'shop-a' }, spec: pod }, url: 'http://shop.shop.svc:80',
    duration: 400_000, timeout: 15_000, node: undefined, given
  })
  const manifests = [job, ...parseAllDocuments(printedRole('shop', 'shop')).map((one) => one.toJS())] as Manifest[]
  t.same(await typeErrors(['1.25', '1.30', '1.36'].map((version) => ({ version, manifests }))), [])
  t.same(await schemaErrors(manifests), [])
  t.same(await droppedFields([job as Manifest]), [])
})

// Scenario (The rehearsal of an update): `helm test` with `drill.enabled` puts load on the Service, and fails where a request is lost
t.test('the drill of "helm test"', async (t) => {
  const values = { drill: { enabled: true, seconds: 1, rate: 60, paths: ['/cart'] } }
  const pods = (await render(values)).filter(({ kind }) => kind === 'Pod')
  t.equal(pods.length, 2)
  const [pod] = pods.filter(({ metadata }) => metadata.name === 'rel-graceful-service-drill')
  const { containers: [container] } = pod!['spec'] as { containers: [{ command: string[], args: string[] }] }
  t.same(container.command, ['node', '-e', script], 'it starts the package as the Job of a drill does')
  t.equal(container.args[2], '--load=http://rel-graceful-service.default:80')
  t.match((await template({ ...values, probes: { scheme: 'HTTPS' } })).stderr, /drill\.enabled: its load does not support TLS/)

  const folder = mkdtempSync(join(tmpdir(), 'graceful-image-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'fastify-graceful'))
  for (const [status, expected, said] of [[200, 0, /^0 of \d+ requests lost$/m], [503, 1, /answered-5xx/]] as const) {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/cart' ? status : 200
      response.end()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const args = container.args.map((one) => one.replace(/^--load=.*/, `--load=http://127.0.0.1:${port}`))
    const { code, output } = await new Promise<{ code: unknown, output: string }>((resolve) => {
      const env = { ...process.env, NODE_OPTIONS: '' }
      execFile(process.execPath, ['-e', script, ...args], { cwd: folder, env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, output: stdout + stderr }))
    })
    t.equal(code, expected, `exit code for ${status}`, { output })
    t.match(output, said)
    server.closeAllConnections()
    server.close()
  }
})

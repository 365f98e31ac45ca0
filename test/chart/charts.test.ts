import t from 'tap'
import { cases } from './cases.ts'
import { droppedFields, typeErrors } from './manifests.ts'
import type { Manifest, Subject } from './manifests.ts'
import { Cases, service, versions } from './render.ts'
import { helm } from './tools.ts'

t.test('helm finds nothing to complain about', async (t) => {
  const { code, stdout, stderr } = await helm(['lint', '--strict', service, '--set', 'image.repository=shop'])
  t.equal(code, 0, stdout + stderr)
  t.match(stdout, '1 chart(s) linted, 0 chart(s) failed')
})

t.test('every manifest is what its version of Kubernetes knows', async (t) => {
  const every = new Cases(cases)
  t.teardown(() => every.remove())
  const subjects: Subject[] = []
  for (let index = 0; index < versions.length; index += 2) {
    await Promise.all(versions.slice(index, index + 2).map(async (version) => {
      const manifests = await every.render(version, '--api-versions', 'monitoring.coreos.com/v1')
      t.same([...manifests.keys()].toSorted(), Object.keys(cases).toSorted(), `Kubernetes ${version} renders every case`)
      subjects.push({ version, manifests: [...manifests.values()].flat() })
    }))
  }
  t.same(await typeErrors(subjects), [], 'no wrong type, no missing and no unknown field')
  const { manifests = [] } = subjects.find(({ version }) => version === '1.35') ?? {}
  t.same(await droppedFields(manifests), [], 'nothing that Kubernetes 1.35 drops')
})

const deployment = (container: object): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', ...container }] } } }
})

t.test('the checks find what they are for', async (t) => {
  const sleeps = deployment({ lifecycle: { preStop: { sleep: { seconds: 5 } } } })
  const typing = deployment({ readinesProbe: { periodSeconds: 5 } })
  const wrong = deployment({ readinessProbe: { periodSeconds: '5' } })
  const errors = await typeErrors([{ version: '1.28', manifests: [sleeps] }, { version: '1.30', manifests: [sleeps, typing, wrong] }])
  t.equal(errors.length, 3, errors.join('\n'))
  t.match(errors[0], /1\.28.*"sleep".* does not exist/)
  t.match(errors[1], /1\.30.*"readinesProbe".* does not exist/)
  t.match(errors[2], /1\.30.*'string' is not assignable to type 'number'/)
  t.same(await droppedFields([sleeps, typing]), ['Deployment d.spec.template.spec.containers.0.readinesProbe'])
  t.match(await droppedFields([wrong]), [/cannot unmarshal string/])
})

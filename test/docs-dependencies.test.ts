import { readFile } from 'node:fs/promises'
import t from 'tap'
import { dependenciesPage, shippedLicences } from './support/dependencies.ts'

const read = (name: string): Promise<string> => readFile(new URL(`../${name}`, import.meta.url), 'utf8')

t.test('the tables of dependencies are those of the lock: npm run dependencies', async (t) => {
  t.ok(dependenciesPage() === await read('docs/dependencies.md'), 'docs/dependencies.md is as npm run dependencies writes it')
  t.notMatch(dependenciesPage(), '| unknown |', 'each licence is known')
})

t.test('what is installed with the package has a licence like its own', (t) => {
  t.ok(shippedLicences().length > 0)
  for (const licence of shippedLicences()) t.match(licence, /^(?:MIT|ISC|BSD-[23]-Clause|Apache-2\.0)$/)
  t.end()
})

t.test('continuous integration installs the oldest of each peer', async (t) => {
  const [script, { peerDependencies }] = [await read('.ci/run'), JSON.parse(await read('package.json')) as
    { peerDependencies: Record<string, string> }]
  for (const name of Object.keys(peerDependencies)) t.match(script, `$(oldest_of ${name})`)
})

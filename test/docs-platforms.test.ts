import { readFile } from 'node:fs/promises'
import t from 'tap'
import { platforms } from '../lib/platform/detect.ts'
import { platformsPage, sources } from './support/platforms.ts'

t.test('the table of platforms is that of the code: npm run platforms', async (t) => {
  const page = await readFile(new URL('../docs/guides/platforms.md', import.meta.url), 'utf8')
  t.ok(page === platformsPage(), 'docs/guides/platforms.md is as npm run platforms writes it')
})

t.test('each figure has a source, or the row says that none was found', async (t) => {
  t.same(Object.keys(sources), platforms.map(({ name }) => name))
  for (const { name, unread } of platforms) {
    const read = sources[name] ?? []
    t.ok(read.length > 0 || unread !== undefined, name)
    for (const [address] of read) t.match(address, /^(?:https:\/\/[\w.-]+\/\S+|[a-z]+\.md#\S+|)$/, address)
  }
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const excluded = new Set(['.git', '.tap', 'dist', 'node_modules'])

/** Every page of the repository. */
function pagesIn (folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return excluded.has(entry.name) ? [] : pagesIn(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

/** The text without its code, in which brackets are no links. */
const proseOf = (text: string): string =>
  text.replaceAll(/^( *)(`{3,}).*\n[\s\S]*?^\1\2$/gm, '').replaceAll(/`[^`\n]+`/g, '`')

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf (text: string): Set<string> {
  const seen = new Map<string, number>()
  const withoutBlocks = text.replaceAll(/^( *)(`{3,}).*\n[\s\S]*?^\1\2$/gm, '')
  return new Set([...withoutBlocks.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').trim().toLowerCase()
    const anchor = words.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  }))
}

/** Every link of a page that leads nowhere: a file that is not there, or a heading that the other page has not. */
function deadLinks (page: string, text: string): string[] {
  const links = [...proseOf(text).matchAll(/\]\((?<inline>[^)\s]+)\)|^\[[^\]]+\]: (?<below>\S+)/gm)]
  return links.flatMap(({ groups: { inline, below } = {} }) => {
    const link = inline ?? below ?? ''
    if (/^[a-z]+:/.test(link)) return []
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    if (target !== page && !existsSync(target)) return [`${relative(root, page)}: ${link}: no such file`]
    if (anchor === undefined || !target.endsWith('.md')) return []
    const aim = target === page ? text : readFileSync(target, 'utf8')
    return anchorsOf(aim).has(anchor) ? [] : [`${relative(root, page)}: ${link}: no such heading`]
  })
}

const pages = pagesIn(root)

t.test('every relative link leads to a file and a heading that exist', (t) => {
  t.ok(pages.length > 30, `${pages.length} pages`)
  for (const page of pages) t.same(deadLinks(page, readFileSync(page, 'utf8')), [], relative(root, page))
  t.end()
})

t.test('every page of the documentation is in its index', (t) => {
  const index = readFileSync(join(root, 'docs/README.md'), 'utf8')
  const named = new Set([...index.matchAll(/\]\(([^)#]+)/g)].map(([, path = '']) => join(root, 'docs', path)))
  const missing = pages.filter((page) => page.startsWith(join(root, 'docs/')) && !page.endsWith('docs/README.md'))
    .filter((page) => !named.has(page))
  t.same(missing, [])
  t.end()
})

t.test('a dead link is found', (t) => {
  const page = join(root, 'docs/page.md')
  const text = '# A page\n## Twice\n## Twice\n[a](#a-page) [b](#twice-1) [c](README.md#guides) `[d](nothing)`\n'
  t.same(deadLinks(page, `${text}\`\`\`md\n[e](nothing)\n\`\`\`\n`), [])
  t.match(deadLinks(page, `${text}[f](#twice-2) [g](README.md#nothing) [h](nothing.md)\n`), [
    /no such heading$/, /README\.md#nothing: no such heading$/, /nothing\.md: no such file$/
  ])
  t.end()
})

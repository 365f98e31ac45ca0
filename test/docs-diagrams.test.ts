import { readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import t from 'tap'
import { launch, open } from './page/chromium.ts'
import { fetched } from './support/fetched.ts'

interface Drawn { svg?: string, problem?: string }

const root = fileURLToPath(new URL('..', import.meta.url))
const diagrams = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md')).flatMap((name) => {
    const text = readFileSync(join(root, 'docs', name), 'utf8')
    return [...text.matchAll(/^```mermaid\n([^]*?)^```$/gm)].map(({ 1: code = '', index }) =>
      ({ place: `docs/${name}:${text.slice(0, index).split('\n').length}`, code }))
  })

async function draw (page: Page, code: string): Promise<Drawn> {
  return page.evaluate(async (given) => {
    const { mermaid } = globalThis as unknown as
      { mermaid: { render: (id: string, text: string) => Promise<{ svg: string }> } }
    try {
      return { svg: (await mermaid.render(`d${Math.round(performance.now() * 1000)}`, given)).svg }
    } catch (error) {
      return { problem: String(error) }
    }
  }, code)
}

t.test('every diagram can be drawn', async (t) => {
  const laid = await fetched({
    spec: '@mermaid-js/tiny@12.0.0',
    integrity: 'sha512-ZW9YXy+3tSLPscBT+NnQO0K0qYH7BGES5nExl6Snoygey7xd2N0cO7Nq30N5k/u7gIeYoCrldyVy+VTCMWrNDQ=='
  }, (from, to) => renameSync(from, join(to, 'package')))
  const browser = await launch()
  t.teardown(() => browser.close())
  const { page } = await open(browser, 'about:blank')
  await page.addScriptTag({ path: join(laid, 'package', 'dist', 'mermaid.tiny.js') })
  t.ok(diagrams.length >= 3, `${diagrams.length} diagrams`)
  for (const { place, code } of diagrams) {
    const { svg = '', problem } = await draw(page, code)
    t.equal(problem, undefined, place)
    t.match(svg, /^<svg[^]+<\/svg>/, place)
  }
  t.match(await draw(page, 'flowchart TB\n  a --'), { problem: /Parse error/ }, 'what cannot be drawn is found')
})

// Runs a recipe of docs/guides/recipes.md as it stands there, or several together: the imports, and the rest with an `app`
// that has the plugin.
import { subscribe } from 'node:diagnostics_channel'
import { rm, readFile, writeFile } from 'node:fs/promises'
import Fastify from 'fastify'
import graceful from '../../dist/index.js'

const [, , given, options = '{}'] = process.argv
const text = await readFile(new URL('../../docs/guides/recipes.md', import.meta.url), 'utf8')
const isImport = (line) => line.startsWith('import ')
const lines = [JSON.parse(given)].flat().flatMap((name) => {
  const [, code] = new RegExp(`<!-- recipe: ${name} -->\n\`\`\`js\n(.*?)\n\`\`\``, 's').exec(text) ?? []
  if (code === undefined) throw new Error(`docs/guides/recipes.md has no recipe '${name}'`)
  return code.split('\n')
})
const module = [
  ...lines.filter(isImport),
  'export default async (app) => {',
  ...lines.filter((line) => !isImport(line)),
  '}'
].join('\n')
const file = new URL(`./recipe-${process.pid}.mjs`, import.meta.url)
await writeFile(file, module)
const { default: recipe } = await import(file.href)
await rm(file)

const app = Fastify()
await app.register(graceful, { gracePeriod: 8000, announce: { quiet: 50 }, ...JSON.parse(options) })
subscribe('fastify-graceful:report', ({ report }) => console.log(`report ${JSON.stringify(report)}`))
await recipe(app)
await app.listen({ port: 0, host: '127.0.0.1' })
console.log(`listening ${app.server.address().port}`)

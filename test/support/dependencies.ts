// Writes the tables of docs/dependencies.md from package.json and the lock.
//   npm run dependencies
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Locked { version: string, license?: string, dev?: boolean, devOptional?: boolean, link?: boolean }
interface Manifest {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

const root = new URL('../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8')
const page = 'docs/dependencies.md'
const { dependencies, devDependencies, peerDependencies } = JSON.parse(read('package.json')) as Manifest
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
const installed = Object.entries(packages).filter(([path]) => path !== '')
const isDevelopment = ({ dev, devOptional }: Locked): boolean => dev === true || devOptional === true

/** What a package says of its licence, or what was read where it says nothing. */
const unsaid: Readonly<Record<string, string>> = {
  death: 'MIT (package.json, `licenses`)',
  'jsonc-simple-parser': 'MIT (its file `license`)'
}
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
const licenceOf = (path: string, { license }: Locked): string => license ?? unsaid[nameOf(path)] ?? 'unknown'
const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

/** The oldest version that a range of one caret allows. */
export const oldestOf = (range: string): string => range.replace(/^\^/, '')

const peers = (): string => table(['peer', 'range', 'oldest that is tested', 'newest that is tested'],
  Object.entries(peerDependencies).map(([name, range]) =>
    [`\`${name}\``, `\`${range}\``, oldestOf(range), packages[`node_modules/${name}`]?.version ?? '']))

const shipped = (): string => table(['package', 'range', 'version', 'licence'],
  installed.filter(([, entry]) => !isDevelopment(entry)).map(([path, entry]) =>
    [`\`${nameOf(path)}\``, `\`${dependencies[nameOf(path)] ?? ''}\``, entry.version, licenceOf(path, entry)]))

const direct = (): string => table(['package', 'version', 'licence'], Object.keys(devDependencies).map((name) => {
  const path = `node_modules/${name}`
  const entry = packages[path]
  return [`\`${name}\``, entry?.version ?? '', entry === undefined ? '' : licenceOf(path, entry)]
}))

function development (): string {
  const counts = new Map<string, number>()
  for (const [path, entry] of installed.filter(([, entry]) => isDevelopment(entry))) {
    const licence = licenceOf(path, entry).replace(/ \(.*\)$/, '')
    counts.set(licence, (counts.get(licence) ?? 0) + 1)
  }
  return table(['licence', 'packages'], [...counts].toSorted(([a, one], [b, other]) => other - one || a.localeCompare(b))
    .map(([licence, count]) => [licence, `${count}`]))
}

const tables = { peers, shipped, direct, development }

/** The page with its tables as package.json and the lock have them. */
export function dependenciesPage (): string {
  return Object.entries(tables).reduce((text, [name, make]) => {
    const mark = `<!-- ${name}: npm run dependencies -->\n\n`
    const [before, after] = text.split(mark)
    if (before === undefined || after === undefined) throw new Error(`${page} has no mark '${mark.trim()}'`)
    return `${before}${mark}${make()}\n\n${after.replace(/^(?:\|.*\n)*\n*/, '')}`
  }, read(page))
}

/** The licences of what is installed with the package. */
export const shippedLicences = (): string[] =>
  installed.filter(([, entry]) => !isDevelopment(entry)).map(([path, entry]) => licenceOf(path, entry))

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(new URL(page, root), dependenciesPage())

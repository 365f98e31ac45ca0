import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Manifest } from './manifests.ts'
import { assemble } from './package.ts'
import { charts, helm } from './tools.ts'

/** Values of graceful-service. */
export type Values = Record<string, unknown>

/** The application chart, with the library in it. */
export const service: string = assemble()

/** At which versions of Kubernetes the charts render something else: all that they ask a version for. */
const changes = ['graceful-lib', 'graceful-service'].flatMap((chart) => {
  const folder = join(charts, chart, 'templates')
  const texts = readdirSync(folder).filter((name) => name.includes('.')).map((name) => readFileSync(join(folder, name), 'utf8'))
  return texts.flatMap((text) => [...text.matchAll(/"graceful-lib\.since" \(list \S+ "1\.(\d+)"\)/g)])
    .map(([, minor]) => Number(minor))
})

/**
 * What Kubernetes versions the charts are tried for: the oldest and the newest one, and those at which they change. The
 * ones between render what the one before them does.
 */
export const versions: readonly string[] = [...new Set([25, ...changes.filter((minor) => minor > 25), 36])]
  .toSorted((one, other) => one - other)
  .map((minor) => `1.${minor}`)

const parsed = new Map<string, Manifest>()

/** The manifests of what `helm template` wrote, by chart or alias. Texts that are alike are the same object. */
function manifestsOf (text: string): Map<string, Manifest[]> {
  const found = new Map<string, Manifest[]>()
  for (const document of text.split(/^---$/m)) {
    const [, source = '', chart = ''] = /^# Source: ((?:[^/]+\/charts\/)?([^/]+)\/.*)$/m.exec(document) ?? []
    if (source === '') continue
    const known = parsed.get(document) ?? parse(document) as Manifest | null
    if (known === null) continue
    parsed.set(document, known)
    found.set(chart, [...found.get(chart) ?? [], known])
  }
  return found
}

/** Many renders of the application chart at once: a parent chart has it once per case, under an alias. */
export class Cases {
  readonly #folder = mkdtempSync(join(tmpdir(), 'graceful-charts-'))

  constructor (cases: Record<string, Values>) {
    mkdirSync(join(this.#folder, 'charts'))
    cpSync(service, join(this.#folder, 'charts', 'graceful-service'), { recursive: true })
    const dependencies = Object.keys(cases).map((alias) => ({
      name: 'graceful-service',
      version: '0.1.0',
      repository: 'file://../graceful-service',
      alias,
      condition: `${alias}.enabled`
    }))
    writeFileSync(
      join(this.#folder, 'Chart.yaml'),
      JSON.stringify({ apiVersion: 'v2', name: 'parent', version: '0.0.0', dependencies })
    )
    const values = Object.fromEntries(Object.entries(cases).map(([alias, given]) => [
      alias, { image: { repository: 'registry.example/shop:1' }, ...given }
    ]))
    writeFileSync(join(this.#folder, 'values.yaml'), JSON.stringify({ global: { region: 'north' }, ...values }))
  }

  /** The manifests of each case, by its name. */
  render (version: string, ...args: string[]): Promise<Map<string, Manifest[]>> {
    return this.renderWith(helm, version, ...args)
  }

  /** The same with another helm. */
  async renderWith (program: typeof helm, version: string, ...args: string[]): Promise<Map<string, Manifest[]>> {
    const { code, stdout, stderr } = await program([
      'template', 'rel', this.#folder, '--kube-version', version, ...args
    ])
    if (code !== 0) throw new Error(stderr)
    return manifestsOf(stdout)
  }

  /** Removes what was written. */
  remove (): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Renders the application chart itself with these values over an image. Rejects with what helm says. */
export async function render (values: Values = {}, ...args: string[]): Promise<Manifest[]> {
  const { code, stdout, stderr } = await template(values, ...args)
  if (code !== 0) throw new Error(stderr)
  return manifestsOf(stdout).get('graceful-service') ?? []
}

/** What `helm template` says of the application chart with these values over an image. */
export function template (values: Values = {}, ...args: string[]): ReturnType<typeof helm> {
  return helm(
    ['template', 'rel', service, '--values', '-', ...args],
    JSON.stringify({ image: { repository: 'registry.example/shop:1' }, ...values })
  )
}

import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Manifest } from './manifests.ts'
import { charts, helm } from './tools.ts'

/** Values of graceful-service. */
export type Values = Record<string, unknown>

/** The application chart. */
export const service: string = join(charts, 'graceful-service')

/** What Kubernetes versions the charts are for. */
export const versions: readonly string[] = Array.from({ length: 12 }, (_, index) => `1.${25 + index}`)

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

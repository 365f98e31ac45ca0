import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { charts, helm } from './tools.ts'

/** What "helm dependency build" may have laid into a clone is no part of the chart. */
const isOwn = (path: string): boolean => !['charts', 'Chart.lock'].includes(basename(path))

/** Lays a chart into a folder, as it is in the repository. */
function lay (name: string, folder: string): string {
  const target = join(folder, name)
  const source = join(charts, name)
  cpSync(source, target, { recursive: true, filter: (path) => path === source || isOwn(path) })
  return target
}

/** The application chart with the library in it, as the package has it, in a folder that goes with the process. */
export function assemble (): string {
  const folder = mkdtempSync(join(tmpdir(), 'graceful-chart-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const chart = lay('graceful-service', folder)
  mkdirSync(join(chart, 'charts'))
  lay('graceful-lib', join(chart, 'charts'))
  return chart
}

/**
 * Packages both charts with helm, the library inside the application chart, too.
 *
 * @returns the archives
 */
export async function packageCharts (destination: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'graceful-package-'))
  try {
    const names = ['graceful-lib', 'graceful-service']
    const laid = names.map((name) => lay(name, folder))
    const { code, stdout, stderr } = await helm(
      ['package', ...laid, '--dependency-update', '--destination', destination]
    )
    if (code !== 0) throw new Error(stderr)
    return [...stdout.matchAll(/saved it to: (.*\.tgz)$/gm)].map(([, archive = '']) => archive)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

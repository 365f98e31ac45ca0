// What has to be true of a version that is published, and is not of every commit.
//   npm run release:check [-- --tag v1.2.3]
//   npm run release:check -- --dist-tag    which tag of the registry the version gets
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** How much a version says has changed, the least first. */
const bumps = ['none', 'patch', 'minor', 'major'] as const
type Bump = (typeof bumps)[number]

/** What is looked at. */
export interface Facts {
  version: string
  /** Of the lock and of the charts, by the name of their file. */
  versions: Readonly<Record<string, string | undefined>>
  repository: unknown
  changelog: string
  /** The tag that is being published, where there is one. */
  tag?: string | undefined
  /** The last release with the API reports of then and now, by file; undefined before the first one. */
  last?: { version: string, api: Readonly<Record<string, readonly [before: string, after: string]>> } | undefined
}

const form = /^(\d+)\.(\d+)\.(\d+)(?:-([\w.]+))?$/
const linesOf = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '')

/** What a change of the API report asks for: something is gone, or something is new. */
export function changeOf (before: string, after: string): Bump {
  const left = [...linesOf(after)]
  const gone = linesOf(before).filter((line) => {
    const at = left.indexOf(line)
    if (at !== -1) left.splice(at, 1)
    return at === -1
  })
  if (gone.length > 0) return 'major'
  return left.length > 0 ? 'minor' : 'none'
}

/** What a version says of the one before it. Below 1.0.0 a minor one may break, and what has no final form may always. */
export function bumpOf (from: string, to: string): Bump {
  const [[, ...before], [, ...after]] = [form.exec(from) ?? [], form.exec(to) ?? []]
  const at = [0, 1, 2].findIndex((index) => before[index] !== after[index])
  if (at === -1) return before[3] !== undefined && before[3] !== after[3] ? 'major' : 'none'
  if (Number(after[at]) < Number(before[at])) return 'none'
  const bump = (['major', 'minor', 'patch'] as const)[at] ?? 'none'
  return after[0] === '0' && bump === 'minor' ? 'major' : bump
}

/** The section of a version: its date, and what it says. */
function sectionOf (changelog: string, version: string): { date: string, text: string } | undefined {
  const heads = [...changelog.matchAll(/^## \[(.+?)\](?: - (.+))?$/gm)]
  const index = heads.findIndex(([, name]) => name === version)
  const head = heads[index]
  if (head === undefined) return
  return { date: head[2] ?? '', text: changelog.slice(head.index + head[0].length, heads[index + 1]?.index).trim() }
}

/** Everything that stands in the way of a release, in words. */
export function problemsOf ({ version, versions, repository, changelog, tag, last }: Facts): string[] {
  const problems: string[] = []
  if (!form.test(version)) problems.push(`package.json: expected a semantic version, got '${version}'`)
  for (const [file, found] of Object.entries(versions)) {
    if (found !== version) problems.push(`${file}: expected version ${version}, got ${found ?? 'none'}`)
  }
  if (tag !== undefined && tag !== `v${version}`) problems.push(`tag: expected v${version}, got ${tag}`)
  if (repository === undefined) problems.push("package.json: 'repository' is missing, which provenance needs")
  const section = sectionOf(changelog, version)
  if (section === undefined) problems.push(`CHANGELOG.md: no section '## [${version}] - <date>'`)
  else {
    if (!/^\d{4}-\d\d-\d\d$/.test(section.date)) {
      problems.push(`CHANGELOG.md: expected the date of ${version} as 2026-01-31, got '${section.date}'`)
    }
    if (!/^- /m.test(section.text)) problems.push(`CHANGELOG.md: nothing is said about ${version}`)
  }
  if (!/^## \[Unreleased\]$/m.test(changelog)) problems.push("CHANGELOG.md: no section '## [Unreleased]'")
  if (last !== undefined) {
    const said = bumpOf(last.version, version)
    if (said === 'none') problems.push(`package.json: expected a version after ${last.version}, got ${version}`)
    for (const [file, [before, after]] of Object.entries(last.api)) {
      const change = changeOf(before, after)
      if (bumps.indexOf(change) > bumps.indexOf(said)) {
        problems.push(`${file}: its change since ${last.version} asks for a ${change} version, got ${version}`)
      }
    }
  }
  return problems
}

/** Which tag of the registry a version gets: who installs without one never gets what is no final version. */
export const distTagOf = (version: string): string => version.includes('-') ? 'next' : 'latest'

const root = new URL('../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8')
const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
const reports = ['api/index.d.ts', 'api/signals.d.ts', 'api/supervisor.d.ts']

/** The last release that came before this one. */
function lastRelease (version: string): Facts['last'] {
  const tags = git('tag', '--merged', 'HEAD', '--sort=-creatordate', '--list', 'v[0-9]*').split('\n')
  const tag = tags.find((name) => name !== '' && name !== `v${version}`)
  if (tag === undefined) return
  return {
    version: tag.slice(1),
    api: Object.fromEntries(reports.map((file) => [file, [git('show', `${tag}:${file}`), read(file)] as const]))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { version, repository } = JSON.parse(read('package.json')) as { version: string, repository?: unknown }
  const appVersion = (chart: string): string | undefined =>
    /^appVersion: "?([^"\n]+)"?$/m.exec(read(`charts/${chart}/Chart.yaml`))?.[1]
  if (process.argv.includes('--dist-tag')) console.log(distTagOf(version))
  else {
    const at = process.argv.indexOf('--tag')
    const problems = problemsOf({
      version, repository, changelog: read('CHANGELOG.md'), last: lastRelease(version),
      tag: at === -1 ? undefined : process.argv[at + 1] ?? '',
      versions: {
        'package-lock.json': (JSON.parse(read('package-lock.json')) as { version: string }).version,
        'charts/graceful-lib/Chart.yaml': appVersion('graceful-lib'),
        'charts/graceful-service/Chart.yaml': appVersion('graceful-service')
      }
    })
    for (const problem of problems) console.error(problem)
    process.exitCode = problems.length > 0 ? 1 : 0
  }
}

import { readFileSync } from 'node:fs'
import t from 'tap'
import { bumpOf, changeOf, distTagOf, problemsOf } from '../support/release-check.ts'
import type { Facts } from '../support/release-check.ts'

const facts: Facts = {
  version: '1.2.0', versions: { 'package-lock.json': '1.2.0' }, repository: 'github:somebody/something',
  changelog: '# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- Something\n'
}

const problems = (changed: Partial<Facts>): string[] => problemsOf({ ...facts, ...changed })
const last = (before: string, after: string): Facts['last'] =>
  ({ version: '1.1.0', api: { 'api/index.d.ts': [before, after] } })

t.test('a version says at least what the API report says', (t) => {
  t.equal(changeOf('a\nb\n', 'a\nb\n'), 'none')
  t.equal(changeOf('a\nb\n', 'b\nc\na\n'), 'minor')
  t.equal(changeOf('a\na\n', 'a\n'), 'major', 'one of two is gone')
  const bumps: Array<[from: string, to: string, bump: string]> = [
    ['1.2.3', '1.2.4', 'patch'], ['1.2.3', '1.3.0', 'minor'], ['1.2.3', '2.0.0', 'major'], ['1.2.3', '1.2.3', 'none'],
    ['1.2.3', '1.1.9', 'none'], ['0.1.0', '0.2.0', 'major'], ['0.1.0', '1.0.0-rc.1', 'major'],
    ['1.0.0-rc.1', '1.0.0-rc.2', 'major'], ['1.0.0-rc.2', '1.0.0', 'major'], ['1.0.0', '1.0.0-rc.3', 'none']
  ]
  for (const [from, to, bump] of bumps) t.equal(bumpOf(from, to), bump, `${from} to ${to}`)
  t.end()
})

t.test('what stands in the way of a release', (t) => {
  t.same(problems({}), [])
  t.same(problems({ tag: 'v1.2.0', last: last('a\n', 'a\nb\n') }), [])
  t.match(problems({ tag: 'v1.2.1' }), ['tag: expected v1.2.0, got v1.2.1'])
  t.match(problems({ repository: undefined }), [/'repository' is missing/])
  t.match(problems({ versions: { 'Chart.yaml': '1.1.0' } }), ['Chart.yaml: expected version 1.2.0, got 1.1.0'])
  t.match(problems({ version: '1.2', versions: {} }), [/expected a semantic version, got '1.2'/])
  t.match(problems({ changelog: '## [Unreleased]\n' }), [/no section '## \[1\.2\.0\]/])
  t.match(problems({ changelog: '## [Unreleased]\n## [1.2.0] - soon\n- It\n' }), [/expected the date of 1\.2\.0/])
  t.match(problems({ changelog: '## [Unreleased]\n## [1.2.0] - 2026-01-31\n## [1.1.0] - 2026-01-30\n- It\n' }),
    [/nothing is said about 1\.2\.0/])
  t.match(problems({ changelog: '## [1.2.0] - 2026-01-31\n- It\n' }), [/no section '## \[Unreleased\]'/])
  t.match(problems({ last: last('a\nb\n', 'a\n') }), [/asks for a major version, got 1\.2\.0/])
  t.match(problems({ version: '1.1.0', versions: {}, last: last('', '') }), [/1\.1\.0/, /expected a version after/])
  t.end()
})

t.test('who installs without a tag gets final versions alone', (t) => {
  t.same([distTagOf('1.0.0-rc.1'), distTagOf('1.0.0')], ['next', 'latest'])
  t.end()
})

t.test('what is published has been checked and tested', (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as
    { scripts: Record<string, string> }
  t.equal(scripts['prepublishOnly'], 'npm run release:check && npm test')
  t.end()
})

t.test('the changelog has the form that the check reads', (t) => {
  const text = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8')
  const heads = [...text.matchAll(/^## (.+)$/gm)].map(([, head]) => head)
  t.equal(heads[0], '[Unreleased]')
  for (const head of heads.slice(1)) t.match(head, /^\[\d+\.\d+\.\d+(?:-[\w.]+)?\] - (?:\d{4}-\d\d-\d\d|not released yet)$/)
  for (const [, head] of text.matchAll(/^### (.+)$/gm)) t.match(head, /^(?:Added|Changed|Deprecated|Removed|Fixed|Security)$/)
  t.end()
})

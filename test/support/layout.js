// Part of `npm run lint`: no line of `lib` has more than 120 columns, and no file more than 250 lines. Files that were longer when
// the rule came may not grow, and are taken off the list when they are short enough.
//   node test/support/layout.js [folder]
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const mostColumns = 120
const mostLines = 250

/** Lines of the files that are longer. */
const longer = {
  'application.ts': 414,
  'cluster/child.ts': 275,
  'cluster/options.ts': 280,
  'cluster/supervisor.ts': 304,
  'guardian/guard.ts': 265,
  'guardian/guardian.ts': 259,
  'lifecycle/lifecycle.ts': 356,
  'options.ts': 357,
  'page/viewers.ts': 276,
  'process/registry.ts': 277,
  'traffic/connections.ts': 311,
  'traffic/front-ends.ts': 263,
  'traffic/requests.ts': 384,
  'traffic/traffic.ts': 459
}

const folder = process.argv[2] ?? 'lib'
const problems = []
const long = new Set(Object.keys(longer))
for (const name of readdirSync(folder, { recursive: true })) {
  if (!name.endsWith('.ts')) continue
  const lines = readFileSync(join(folder, name), 'utf8').split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [index, line] of lines.entries()) {
    const { length } = [...line]
    if (length > mostColumns) problems.push(`${folder}/${name}:${index + 1}: ${length} columns, at most ${mostColumns}`)
  }
  const most = longer[name] ?? mostLines
  if (lines.length > most) problems.push(`${folder}/${name}: ${lines.length} lines, at most ${most}`)
  if (lines.length > mostLines) long.delete(name)
}
for (const name of long) problems.push(`${folder}/${name} has at most ${mostLines} lines by now: take it off the list`)

for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)

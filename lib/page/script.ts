import * as cards from './client/cards.ts'
import * as children from './client/children.ts'
import * as report from './client/report.ts'
import * as start from './client/start.ts'
import * as stream from './client/stream.ts'
import * as sums from './client/sums.ts'
import * as timeline from './client/timeline.ts'
import * as view from './client/view.ts'

/**
 * The page's script: the functions of `client/`, as they are written. That is why these files may declare nothing but
 * functions at their top level.
 */
export function makeScript (): string {
  return [
    '\'use strict\'',
    // What some compilers put around functions, to keep their names.
    'const __name = (made) => made',
    ...functionsOf(view, cards, sums, children, timeline, report, stream, start),
    `${start.start.name}()`
  ].join('\n')
}

function functionsOf (...modules: object[]): string[] {
  return modules.flatMap((module) => Object.values(module) as Array<() => unknown>).map(String)
}

import * as cards from './browser/cards.ts'
import * as children from './browser/children.ts'
import * as report from './browser/report.ts'
import * as start from './browser/start.ts'
import { start as begin } from './browser/start.ts'
import * as stream from './browser/stream.ts'
import * as sums from './browser/sums.ts'
import * as timeline from './browser/timeline.ts'
import * as view from './browser/view.ts'

/**
 * The page's script: the functions of `browser/`, as they are written. That is why these files may declare nothing but
 * functions at their top level.
 */
export function makeScript (): string {
  return [
    '\'use strict\'',
    // What some compilers put around functions, to keep their names.
    'const __name = (made) => made',
    ...functionsOf(view, cards, sums, children, timeline, report, stream, start),
    // Whoever bundles this may give it another name.
    `${begin.name}()`
  ].join('\n')
}

function functionsOf (...modules: object[]): string[] {
  return modules.flatMap((module) => Object.values(module) as Array<() => unknown>).map(String)
}

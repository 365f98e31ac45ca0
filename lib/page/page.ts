import { pageMaker } from './document.ts'
import type { Page, PageMaker, PageTexts } from './document.ts'
import { makeScript } from './script.ts'
import { style } from './style.ts'

let texts: PageTexts | undefined
let make: PageMaker | undefined

/** The page that shows a state. */
export function makePage (...state: Parameters<PageMaker>): Page {
  preparePage()
  return make!(...state)
}

/** Makes what never changes now, and not with the first page. */
export function preparePage (): void {
  make ??= pageMaker(pageTexts())
}

/** The texts that every page has. */
export function pageTexts (): PageTexts {
  return texts ??= { style, script: makeScript() }
}

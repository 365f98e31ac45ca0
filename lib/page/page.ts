import { pageMaker } from './document.ts'
import type { Page, PageMaker, PageTexts } from './document.ts'
import { style } from './style.ts'
import { unpacked } from '../build.ts'

/** The build puts the page's script here, packed: see `rolldown.texts.js`. A source that runs as it is has it made. */
declare const builtPage: string | undefined

const script: string = typeof builtPage === 'string' ? unpacked(builtPage) : await builtNow()
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
  return texts ??= { style, script }
}

/** What `browser/start.ts` and all that it imports are as one text. */
async function builtNow (): Promise<string> {
  const bundler = new URL('../../rolldown.texts.js', import.meta.url).href
  return (await import(bundler) as { pageText: () => Promise<string> }).pageText()
}

import type { PageTexts } from './document.ts'

let texts: PageTexts | undefined

/** Loads what every page has, for a watchdog that is to serve it: its thread has no way to load anything. */
export async function loadPageTexts (): Promise<void> {
  const { pageTexts } = await import('./page.ts')
  texts = pageTexts()
}

/** The texts, once they are loaded; undefined before. */
export function loadedPageTexts (): PageTexts | undefined {
  return texts
}

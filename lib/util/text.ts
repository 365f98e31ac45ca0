import { shorten } from './shown.ts'

export { counted } from './counted.ts'

/** Most characters of a text of the application's own that the status, the health routes and the report show. */
const longestText = 1000

/** A text of the application's own, as much of it as is shown to others. */
export function clip (text: string): string {
  return shorten(text, longestText)
}

/** Several of them in one line, likewise; of the others nothing is taken. */
export function clipList (texts: readonly string[]): string {
  let line = ''
  for (const text of texts) {
    if (line.length > longestText) break
    line += line === '' ? clip(text) : `, ${clip(text)}`
  }
  return clip(line)
}

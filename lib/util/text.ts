/** Most characters of something given that a message repeats. */
export const mostShown = 80
/**
 * The longest text of which a part is taken. Of one that was put together piece by piece V8 would make a single piece
 * first, whatever memory that takes.
 */
const longestRead = 1_000_000
/** Most characters of a text of the application's own that the status, the health routes and the report show. */
const longestText = 1000

/** A number of things in words: `1 request`, `2 requests`; `2 children` where the plural has a form of its own. */
export function counted (count: number, thing: string, plural = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : plural}`
}

/** The beginning of a text of somebody else's, at most `length` characters. */
export function shorten (text: string, length: number = mostShown): string {
  if (text.length <= length) return text
  if (text.length > longestRead) return `a text of ${text.length} characters`
  // Half of a character that takes two is none.
  return `${text.slice(0, length - 3).replace(/[\uD800-\uDBFF]$/, '')}...`
}

/** The beginning of a text of the application's own, as it is shown to others. */
export function clip (text: string): string {
  return shorten(text, longestText)
}

/** The beginning of several such texts in one line; those beyond the bound are not even read. */
export function clipList (texts: readonly string[]): string {
  let line = ''
  for (const text of texts) {
    if (line.length > longestText) break
    line += line === '' ? clip(text) : `, ${clip(text)}`
  }
  return clip(line)
}

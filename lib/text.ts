/** A number of things in words: `1 request`, `2 requests`; `2 children` where the plural has a form of its own. */
export function counted (count: number, thing: string, plural = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : plural}`
}

/** Most characters of a text of the application's own that the status, the health routes and the report show. */
const longestText = 1000

/** A text of the application's own, as much of it as is shown to others. */
export function clip (text: string): string {
  if (text.length <= longestText) return text
  // Half of a character that takes two is none.
  const end = /[\uD800-\uDBFF]$/.test(text.slice(0, longestText - 1)) ? longestText - 2 : longestText - 1
  return `${text.slice(0, end)}…`
}

/** Places in a line at which JSON is looked for. */
const mostTries = 5

/**
 * What the text may have lost, or got, on its way: the API server puts a time before each piece of a long line, and
 * pino-pretty writes one backslash for two.
 */
const repairs: ReadonlyArray<(text: string) => string> = [
  (text) => text,
  (text) => text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /g, ''),
  (text) => text.replaceAll(/\\(?!["\\/bfnrtu])/g, '\\\\')
]

/** What JSON says; undefined for what is none. */
export function parseJson (text: string): unknown {
  for (const repair of repairs) {
    try {
      return JSON.parse(repair(text))
    } catch {
      // It is none, or not yet.
    }
  }
  return undefined
}

/** The object or list that a line ends with, whatever stands before it; undefined where there is none. */
export function jsonAtEnd (line: string): unknown {
  let start = /^\s*[[{]/.test(line) ? 0 : line.indexOf('{"')
  for (let tries = 0; start !== -1 && tries < mostTries; tries++) {
    const value = parseJson(line.slice(start))
    if (typeof value === 'object' && value !== null) return value
    start = line.indexOf('{"', start + 1)
  }
  return undefined
}

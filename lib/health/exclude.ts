/** How many names, and how much of each, a warning repeats of what a stranger sent. */
const warned = { names: 10, length: 64 }

/** What is said of names that a prober wants excluded, and that no check has. */
export function excludeWarnings (unknown: readonly string[]): string[] {
  if (unknown.length === 0) return []
  const names = unknown.slice(0, warned.names).map((name) => JSON.stringify(name.slice(0, warned.length)))
  return [`some health checks cannot be excluded: no matches for ${names.join(',')}`]
}

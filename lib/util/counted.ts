/** A number of things in words: `1 request`, `2 requests`; `2 children` where the plural has a form of its own. */
export function counted (count: number, thing: string, plural = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : plural}`
}

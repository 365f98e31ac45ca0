/** A number of things in words: `1 request`, `2 requests`. */
export function counted (count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

/**
 * What a reader is told of times, numbers and lists, on the page and in a terminal. It runs in a browser, too: it knows
 * nothing of Node.
 */

/** A time span: `340 ms`, `4.2 s`, `3 min 12 s`, `3 h 12 min`, `2 d 3 h`; `-` where it is not known. */
export function duration (milliseconds: number | undefined): string {
  if (milliseconds === undefined || !Number.isFinite(milliseconds)) return '-'
  const time = Math.max(0, milliseconds)
  if (time < 1000) return `${Math.round(time)} ms`
  if (time < 59_950) return `${decimal(time / 1000)} s`
  const seconds = Math.round(time / 1000)
  const pair = (large: number, small: number, names: [string, string]): string => {
    const rest = Math.floor(seconds % large / small)
    return `${Math.floor(seconds / large)} ${names[0]}${rest === 0 ? '' : ` ${rest} ${names[1]}`}`
  }
  if (seconds < 3600) return pair(60, 1, ['min', 's'])
  return seconds < 86_400 ? pair(3600, 60, ['h', 'min']) : pair(86_400, 3600, ['d', 'h'])
}

/** A time span that goes on while it is looked at: never ahead, and tenths of a second that do not come and go. */
export function running (milliseconds: number): string {
  return milliseconds < 60_000
    ? `${(Math.max(0, Math.floor(milliseconds / 100)) / 10).toFixed(1)} s`
    : duration(Math.floor(milliseconds / 1000) * 1000)
}

/** A text as the beginning of a sentence. */
export function capitalized (text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** A number with one decimal at most; `-` where it is not known. */
export function decimal (value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '-' : String(Number(value.toFixed(1)))
}

/** How much of a whole a part is, from 0 to 1, for a bar. */
export function share (part: number, whole: number): number {
  const exact = whole <= 0 ? 1 : part / whole
  // Of what is no number, as one endless time in another, nothing is known.
  return Number.isNaN(exact) ? 0 : Math.min(1, Math.max(0, exact))
}

/** Equal items: the first of them, and how many there are. */
export interface Group<T> { first: T, count: number }

/** So many groups are named at most, unless there is room for more. */
const mostNamed = 10

/** Items by their keys, in the order in which these come. Without a key, by all that they are. */
export function grouped<T> (items: readonly T[], keyOf?: (item: T) => unknown): Array<Group<T>> {
  const groups = new Map<string, Group<T>>()
  for (const item of items) {
    const key = JSON.stringify(keyOf?.(item) ?? item) ?? ''
    const { first, count } = groups.get(key) ?? { first: item, count: 0 }
    groups.set(key, { first, count: count + 1 })
  }
  return [...groups.values()]
}

/** The first groups, and how many items there are in the others. */
export function firstOf<T> (
  groups: Array<Group<T>>,
  most: number = mostNamed
): { shown: Array<Group<T>>, more: number } {
  const more = groups.slice(most).reduce((sum, { count }) => sum + count, 0)
  return { shown: groups.slice(0, most), more }
}

/** How often there is what was grouped. */
export function times (count: number): string {
  return count === 1 ? '' : ` ×${count}`
}

/** The first groups in one line, and how many more items there are. */
export function enumerate<T> (
  groups: Array<Group<T>>,
  textOf: (group: Group<T>) => string,
  separator = ', '
): string {
  const { shown, more } = firstOf(groups)
  return shown.map(textOf).join(separator) + (more > 0 ? ` and ${more} more` : '')
}

/** Names in one line, equal ones once. */
export function namesOf (names: readonly string[], separator?: string): string {
  return enumerate(grouped(names), ({ first, count }) => first + times(count), separator)
}

/** Longest time that a `setTimeout` can wait, in milliseconds. */
export const longestTimer: number = 2 ** 31 - 1

/**
 * A number as people write it, with digits alone; NaN for anything else. `Number` also reads a blank text as 0, `0x10`
 * as 16, `1e3` as 1000 and `Infinity` as what it says.
 */
export function decimal (text: string | undefined): number {
  return text !== undefined && /^(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

/** The same for a whole number. */
export function whole (text: string | undefined): number {
  return text?.includes('.') === true ? Number.NaN : decimal(text)
}

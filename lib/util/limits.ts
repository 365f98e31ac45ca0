/** Longest time that a `setTimeout` can wait, in milliseconds. */
export const longestTimer: number = 2 ** 31 - 1

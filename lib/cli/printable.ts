const unfit = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Text that is safe on a terminal: control characters and changes of the writing direction are spelled out. */
export function printable (text: string): string {
  return text.replace(unfit, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}

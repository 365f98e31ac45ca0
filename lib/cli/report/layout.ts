import { columns, textWidth } from '../status/format.ts'

/** Words in lines of so many cells; a word that is longer is broken. Lines after the first are indented. */
export function wrap (text: string, width: number, indent = ''): string[] {
  const lines: string[] = []
  // Of a deep indentation in a narrow terminal would be left nothing.
  const before = textWidth(indent) <= width / 2 ? indent : ''
  let line = ''
  let cells = 0
  let isEmpty = true
  const next = (): void => {
    lines.push(line.trimEnd())
    line = before
    cells = textWidth(before)
    isEmpty = true
  }
  for (const part of text.match(/ +|[^ ]+/g) ?? []) {
    const length = textWidth(part)
    if (part.startsWith(' ')) {
      if (!isEmpty || lines.length === 0) [line, cells] = [line + part, cells + length]
      continue
    }
    if (!isEmpty && cells + length > width) next()
    for (const character of cells + length > width ? part : [part]) {
      const size = textWidth(character)
      if (!isEmpty && cells + size > width) next()
      line += character
      cells += size
      isEmpty = false
    }
  }
  lines.push(line.trimEnd())
  return lines
}

/**
 * Rows below a head, where there is one, in columns, or where these are wider than that, each row as its first cell,
 * and below it each other one with its head.
 */
export function table (head: string[], rows: string[][], width: number, indent = '  '): string[] {
  const isNamed = head.some((name) => name !== '')
  const lines = columns([...isNamed ? [head] : [], ...rows]).map((line) => indent + line)
  if (lines.every((line) => textWidth(line) <= width)) return lines
  return rows.flatMap(([first = '', ...cells]) => [
    ...wrap(indent + first, width, `${indent}  `),
    ...wrap(`${indent}  ${cells.flatMap((cell, index) => cell === '' ? [] : [`${head[index + 1] ?? ''} ${cell}`.trim()])
      .join(', ')}`, width, `${indent}  `)
  ])
}

/** One server-sent event. */
export interface StreamEvent { name: string, data: string }

/** Takes the text of a stream apart as it comes, by the standard of server-sent events, as far as a status needs it. */
export class EventReader {
  #rest = ''

  /** Characters of an event that is not whole yet. */
  get pending (): number {
    return this.#rest.length
  }

  /** The events that this piece completes; comments are none. */
  push (text: string): StreamEvent[] {
    const blocks = (this.#rest + text).split(/\r?\n\r?\n/)
    this.#rest = blocks.pop() ?? ''
    return blocks.flatMap((block) => {
      // Lines end with `\n` alone: for a regular expression U+2028 and U+2029, which JSON may hold, end one, too.
      const lines = block.split(/\r?\n/)
      const valuesOf = (field: string): string[] => lines
        .filter((line) => line.startsWith(`${field}:`))
        .map((line) => line.slice(field.length + 1).replace(/^ /, ''))
      const data = valuesOf('data').join('\n')
      return data === '' ? [] : [{ name: valuesOf('event').at(-1) ?? 'message', data }]
    })
  }
}

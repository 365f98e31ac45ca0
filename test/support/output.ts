import { EventEmitter } from 'node:events'

/** What a command takes for a terminal: it keeps what is written to it. */
export class Output extends EventEmitter {
  isTTY = true
  fd = 1
  text = ''
  columns: number
  rows: number

  constructor (columns: number, rows: number) {
    super()
    this.columns = columns
    this.rows = rows
  }

  write (text: string): boolean {
    this.text += text
    return true
  }

  /** What was written since the last call. */
  take (): string {
    const { text } = this
    this.text = ''
    return text
  }
}

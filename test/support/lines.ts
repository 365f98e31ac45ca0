import type { Readable } from 'node:stream'

/**
 * Hands on whole lines only: nobody finds half a one, and of two streams that are put together neither cuts the
 * other's. What has no end comes when the stream ends.
 */
export function readLines (stream: Readable, take: (lines: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1
    if (end > 0) take(rest + text.slice(0, end))
    rest = end > 0 ? text.slice(end) : rest + text
  }).on('end', () => { if (rest !== '') take(rest) })
}

import { METHODS } from 'node:http'
import { messageOf } from '../../errors.ts'
import type { RequestProfile } from '../../drill/index.ts'
import { isPath } from '../../drill/index.ts'
import { readBounded } from './files.ts'
import { unfit } from './option.ts'
import { addHeader } from './sources.ts'
import type { Source } from './sources.ts'

const expected = 'a path such as /orders, with method, headers and body: POST /orders x-shop:7 {"id":7}'

/**
 * Reads one `--path`: `[METHOD ]/path[ name:value ...][ body]`. The first word that is no header begins the body.
 * @throws UsageError
 */
export function readRequest ({ flag, value, data, headers: common }: Source): RequestProfile {
  const [, typedMethod, path = '', rest = ''] = /^(?:([A-Za-z-]+) +)?(\S+)\s*(.*)$/s.exec(value) ?? []
  if (!isPath(path)) throw unfit(flag, expected, value)
  const headers = { ...common }
  const text = takeHeaders(flag, rest, headers)
  if (text !== '' && data !== undefined) throw unfit('data', 'the only body, but --path has one, too', data)
  const body = data === undefined ? text === '' ? undefined : Buffer.from(text) : readData(data)
  if (body !== undefined) headers['content-type'] ??= isJson(body) ? 'application/json' : 'text/plain'
  const method = typedMethod?.toUpperCase() ?? (body === undefined ? 'GET' : 'POST')
  if (!METHODS.includes(method) || method === 'CONNECT') throw unfit(flag, 'a path after a method, such as GET', value)
  return {
    name: `${method} ${path}`,
    method, path, headers,
    ...body === undefined ? {} : { body }
  }
}

function takeHeaders (flag: string, text: string, headers: Record<string, string>): string {
  const found = /^[!#$%&'*+.^_`|~\w-]+:\S+(?:\s+|$)/.exec(text)?.[0]
  if (found === undefined) return text
  const own = found.trim()
  addHeader(headers, flag, own)
  return takeHeaders(flag, text.slice(found.length), headers)
}

/** A body, or that of a file. */
function readData (data: string): Buffer {
  if (!data.startsWith('@')) return Buffer.from(data)
  try {
    return readBounded(data.slice(1))
  } catch (error) {
    throw unfit('data', `a body, or @ and a file that can be read (${messageOf(error)})`, data)
  }
}

function isJson (body: Buffer): boolean {
  try {
    return typeof JSON.parse(String(body)) === 'object'
  } catch {
    return false
  }
}

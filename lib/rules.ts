import { isIP } from 'node:net'
import { show } from './util/shown.ts'
import { longestTimer } from './util/given.ts'
import { isRegistry } from './metrics/options.ts'

/** What may be given for an option or a variable: as a message says it, and the test. */
export interface Rule { expected: string, test: (value: unknown) => boolean }

/** Whether a value is an object, and no array. */
export const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isToken = (value: unknown): boolean =>
  typeof value === 'string' && value.length >= 16 && /^[\x21-\x7e]+$/.test(value)
const isText = (pattern: RegExp) => (value: unknown): boolean => typeof value === 'string' && pattern.test(value)

const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)

/** One of these values. */
export const oneOf = (...values: unknown[]): Rule => ({
  expected: `one of ${values.map(show).join(', ')}`,
  test: (value) => values.includes(value)
})
/** A number of milliseconds. */
export const time = (least = 0): Rule => ({
  expected: `a number of milliseconds from ${least} to ${longestTimer}`,
  test: (value) => typeof value === 'number' && value >= least && value <= longestTimer
})
/** A whole number. */
export const integer = (least: number, most: number): Rule => ({
  expected: `an integer from ${least} to ${most}`,
  test: (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most
})
/** Any text. */
/** Of either family. */
export const ipAddress: Rule = {
  expected: 'an IP address',
  test: (value) => typeof value === 'string' && isIP(value) !== 0
}
export const text: Rule = { expected: 'a non-empty string', test: isText(/\S/) }
/** A close code that an endpoint may send (RFC 6455, 7.4, and IANA's registry). */
export const closeCode: Rule = {
  expected: 'a close code that a server may send: 1000 to 1003, 1007 to 1014, or 3000 to 4999',
  test: (value) => Number.isInteger(value) && isSendable(Number(value))
}
/** What stands beside a close code: a control frame holds 125 bytes, of which the code takes two. */
export const closeReason: Rule = {
  expected: 'a string of at most 123 bytes of UTF-8',
  test: (value) => typeof value === 'string' && Buffer.byteLength(value) <= 123
}
export const boolean: Rule = { expected: 'a boolean', test: (value) => typeof value === 'boolean' }
export const aFunction: Rule = { expected: 'a function', test: (value) => typeof value === 'function' }
export const object: Rule = { expected: 'an object', test: isObject }
export const objectOrFalse: Rule = {
  expected: 'an object or false',
  test: (value) => value === false || isObject(value)
}
export const objectOrBoolean: Rule = {
  expected: 'an object or a boolean',
  test: (value) => typeof value === 'boolean' || isObject(value)
}
/** What stands before a route. */
export const prefix: Rule = {
  expected: "'' or a path that begins with '/', without '/' at its end, ':' and '*'",
  test: isText(/^(?:\/[^/:*?#\s]+)*$/)
}
/** A route of one path. */
export const route: Rule = {
  expected: "a path that begins with '/', without ':', '*', '?' and '#'",
  test: isText(/^\/[^:*?#\s]*$/)
}
export const routeOrFalse: Rule = {
  expected: `${route.expected}, or false`,
  test: (value) => value === false || route.test(value)
}
/** Where metrics are kept. */
export const registry: Rule = { expected: 'a Registry of prom-client', test: isRegistry }
/** A file, wherever the process was started. */
export const absolutePath: Rule = { expected: 'an absolute path', test: isText(/^(?:\/|[A-Za-z]:[\\/])[^\0]*$/) }
/** What a file may be done with, and by whom. */
export const fileMode: Rule = {
  expected: "a file mode from 0 to 0777, as text in octal ('0660') or as a number (0o660)",
  test: (value) => isText(/^(?:0o?)?[0-7]{3}$/)(value) || integer(0, 0o777).test(value)
}

/** The number of a {@link fileMode}. */
export function modeOf (mode: string | number): number {
  return typeof mode === 'string' ? Number.parseInt(mode.slice(-3), 8) : mode
}
/** One bearer token, or several while one is being replaced. */
export const token: Rule = {
  expected: 'a string of at least 16 visible ASCII characters, or a non-empty array of such',
  test: (value) => isToken(value) || (Array.isArray(value) && value.length > 0 && value.every(isToken))
}

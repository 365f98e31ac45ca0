/** An object of a JSON document. */
export type Json = Record<string, unknown>

/** A value that nothing tells; the message says why. */
export class Unfillable extends Error {}

/** Whether it is an object, and no list. */
export function isObject (value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** References that lead to references, and schemas within schemas. */
const deepest = 20
/** What a list, or a text, may be long. */
const longest = 1000

/** A value itself, or what its `$ref` within the document leads to; an empty object where it is no object. */
export function resolve (value: unknown, document: Json, depth = 0): Json {
  if (!isObject(value)) return {}
  const { $ref: reference } = value
  if (typeof reference !== 'string') return value
  if (!reference.startsWith('#/')) throw new Unfillable(`refers to ${reference}, outside the document`)
  if (depth > deepest) throw new Unfillable(`refers to itself by ${reference}`)
  let found: unknown = document
  for (const part of reference.slice(2).split('/')) {
    const key = decode(part).replaceAll('~1', '/').replaceAll('~0', '~')
    found = typeof found === 'object' && found !== null && Object.hasOwn(found, key) ? (found as Json)[key] : undefined
  }
  if (found === undefined) throw new Unfillable(`refers to ${reference}, which is not there`)
  return resolve(found, document, depth + 1)
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A value of a schema. @throws Unfillable where nothing tells one */
export function exampleOf (given: unknown, document: Json, depth = 0): unknown {
  if (depth > deepest) throw new Unfillable('contains itself')
  const schema = resolve(given, document)
  for (const value of [schema['example'], first(schema['examples']), schema['default'], schema['const']]) {
    if (value !== undefined) return value
  }
  const chosen = first(schema['enum'])
  if (chosen !== undefined) return chosen
  for (const key of ['anyOf', 'oneOf']) {
    const options = schema[key]
    if (Array.isArray(options)) return firstFilled(options, document, depth)
  }
  if (Array.isArray(schema['allOf'])) {
    const parts = schema['allOf'].map((part) => resolve(part, document))
    return exampleOf({ ...Object.assign({}, ...parts) as Json, ...schema, allOf: undefined }, document, depth + 1)
  }
  return ofType(schema, document, depth)
}

const first = (value: unknown): unknown => Array.isArray(value) ? value[0] : undefined

function firstFilled (options: unknown[], document: Json, depth: number): unknown {
  let why: unknown = new Unfillable('has no value')
  for (const option of options) {
    try {
      const value = exampleOf(option, document, depth + 1)
      if (value !== null) return value
    } catch (error) {
      why = error
    }
  }
  throw why
}

function ofType (schema: Json, document: Json, depth: number): unknown {
  const types = [schema['type']].flat()
  const type = types.find((one) => one !== 'null') ?? (schema['properties'] === undefined ? 'string' : 'object')
  if (schema['type'] === 'null') throw new Unfillable('is null')
  if (type === 'boolean') return true
  if (type === 'integer' || type === 'number') return numberOf(schema, type === 'integer')
  if (type === 'string') return stringOf(schema)
  if (type === 'array') {
    const count = Math.max(1, Number(schema['minItems'] ?? 1))
    if (count > longest) throw new Unfillable(`has ${count} items at least`)
    return Array.from({ length: count }, () => exampleOf(schema['items'], document, depth + 1))
  }
  if (type !== 'object') throw new Unfillable(`is of the type ${JSON.stringify(type)}`)
  const { properties, required } = schema
  const names = Array.isArray(required) ? required.map(String) : []
  return Object.fromEntries(names.map((name) =>
    [name, exampleOf(isObject(properties) ? properties[name] : {}, document, depth + 1)]))
}

/** A number within the bounds, near 1. */
function numberOf (schema: Json, isWhole: boolean): number {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  const least = Math.max(orElse(minimum, -Infinity), orElse(exclusiveMinimum, -Infinity))
  const most = Math.min(orElse(maximum, Infinity), orElse(exclusiveMaximum, Infinity))
  // In OpenAPI 3.0 and Swagger 2.0 these are switches beside the bounds, in 3.1 bounds.
  const isAbove = exclusiveMinimum === true || least === exclusiveMinimum
  const isBelow = exclusiveMaximum === true || most === exclusiveMaximum
  const step = orElse(multipleOf, isWhole ? 1 : 0)
  const near = Math.min(Math.max(1, least), most)
  const [up, down] = [Math.ceil(near / step) * step, Math.floor(near / step) * step]
  const candidates = step > 0 ? [up, down, up + step, down - step] : [near, near + 1, near - 1, (least + most) / 2]
  const value = candidates.find((one) => (isAbove ? one > least : one >= least) && (isBelow ? one < most : one <= most))
  if (value === undefined) throw new Unfillable('has bounds that nothing is between')
  return value
}

const orElse = (value: unknown, otherwise: number): number => typeof value === 'number' ? value : otherwise

const formats: Record<string, string> = {
  uuid: '3fa85f64-5717-4562-b3fc-2c963f66afa6',
  date: '2026-01-31',
  time: '12:00:00Z',
  'date-time': '2026-01-31T12:00:00Z',
  duration: 'P1D',
  email: 'somebody@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  byte: 'YQ=='
}

function stringOf ({ format, pattern, minLength, maxLength }: Json): string {
  const known = typeof format === 'string' && Object.hasOwn(formats, format) ? formats[format] : undefined
  const least = typeof minLength === 'number' ? minLength : 1
  if (least > longest) throw new Unfillable(`has ${least} characters at least`)
  const text = (known ?? 'a').padEnd(least, 'a').slice(0, typeof maxLength === 'number' ? maxLength : undefined)
  if (typeof pattern !== 'string' || matches(pattern, text)) return text
  // A guess of each common kind of key; whatever is not right is not sent.
  const guess = ['1', '1'.repeat(least), 'A'.repeat(least), formats['uuid']!].find((one) => matches(pattern, one))
  if (guess === undefined) throw new Unfillable(`needs an example: its pattern is ${pattern}`)
  return guess
}

function matches (pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text)
  } catch {
    return false
  }
}

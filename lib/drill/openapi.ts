import { anyAnswer, mayBeSent } from './har.ts'
import type { Requests } from './har.ts'
import { exampleOf, isObject, resolve, Unfillable } from './schema-example.ts'
import type { Json } from './schema-example.ts'

const list = (value: unknown): unknown[] => Array.isArray(value) ? value : []

/**
 * Reads the GET operations of an OpenAPI 3.0 or 3.1, or Swagger 2.0 document, in JSON. Parameters in the path, and
 * required ones in the query and in headers, are filled from examples, defaults, enumerations and types; an operation
 * that cannot be filled is left out, and noted. One that answers with an event stream is one to stay on.
 * @throws Error where it is no such document, or nothing of it can be sent
 */
export function readOpenApi (json: string): Requests {
  const document = parse(json)
  const requests: Requests = { profiles: [], stays: [], notes: [] }
  let secured = 0
  for (const [template, given] of Object.entries(isObject(document['paths']) ? document['paths'] : {})) {
    const item = resolve(given, document)
    const operation = item['get']
    if (!isObject(operation)) continue
    try {
      add(requests, template, item, operation, document)
      if (list(operation['security'] ?? document['security']).length > 0) secured++
    } catch (error) {
      if (!(error instanceof Unfillable)) throw error
      requests.notes.push(`GET ${template} is left out: ${error.message}`)
    }
  }
  if (secured > 0) requests.notes.push(`${secured} operations ask for credentials, which a header has to bring`)
  if (requests.profiles.length + requests.stays.length > 0) return requests
  throw new Error(['it has no GET operation that can be sent', ...requests.notes].join('\n'))
}

function parse (json: string): Json {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw new Error(`it is no JSON, and YAML is not read: ${String(error)}`, { cause: error })
  }
  if (isObject(value) && (/^3\.\d/.test(String(value['openapi'])) || value['swagger'] === '2.0')) return value
  throw new Error('it says neither "openapi": "3..." nor "swagger": "2.0"')
}

function add ({ profiles, stays }: Requests, template: string, item: Json, operation: Json, document: Json): void {
  const parameters = new Map<string, Json>()
  for (const parameter of [...list(item['parameters']), ...list(operation['parameters'])]) {
    const resolved = resolve(parameter, document)
    parameters.set(`${String(resolved['in'])} ${String(resolved['name'])}`, resolved)
  }
  const headers: Record<string, string> = {}
  const query: string[] = []
  for (const parameter of parameters.values()) {
    const { in: place, name, required } = parameter
    if (required !== true || !['query', 'header', 'cookie'].includes(String(place))) continue
    const value = valueOf(parameter, document)
    if (place === 'query') query.push(...pairsOf(String(name), value, parameter))
    else if (place === 'cookie') headers['cookie'] = `${headers['cookie'] ?? ''}${String(name)}=${textOf(value)}; `
    else if (mayBeSent(String(name).toLowerCase(), textOf(value))) headers[String(name).toLowerCase()] = textOf(value)
  }
  const filled = template.replaceAll(/\{([^}]*)\}/g, (_whole, name: string) => {
    const parameter = parameters.get(`path ${name}`)
    if (parameter !== undefined) return encodeURIComponent(textOf(valueOf(parameter, document)))
    throw new Unfillable(`nothing describes {${name}}`)
  })
  const path = `${baseOf(item, operation, document)}${filled}${query.length === 0 ? '' : `?${query.join('&')}`}`
  if (isStream(operation, document)) stays.push({ kind: 'events', path, headers })
  else profiles.push({ name: `GET ${template}`, method: 'GET', path, headers, status: anyAnswer })
}

function valueOf (parameter: Json, document: Json): unknown {
  const { example, examples, schema, content, 'x-example': own } = parameter
  if (example !== undefined) return example
  if (own !== undefined) return own
  for (const one of isObject(examples) ? Object.values(examples) : []) {
    const { value } = resolve(one, document)
    if (value !== undefined) return value
  }
  const media = isObject(content) ? resolve(Object.values(content)[0], document) : undefined
  if (media !== undefined) return JSON.stringify(media['example'] ?? exampleOf(media['schema'], document))
  // Swagger 2.0 has no schema: the parameter itself is one.
  try {
    return exampleOf(schema ?? parameter, document)
  } catch (error) {
    if (error instanceof Unfillable) throw new Unfillable(`${String(parameter['name'])} ${error.message}`)
    throw error
  }
}

function textOf (value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(',')
  if (isObject(value)) throw new Unfillable('has an object as its value')
  return String(value)
}

const pair = (key: string, one: unknown): string => `${encodeURIComponent(key)}=${encodeURIComponent(textOf(one))}`

function pairsOf (name: string, value: unknown, { style, explode, collectionFormat, schema }: Json): string[] {
  if (isObject(value)) {
    if (style !== 'deepObject' && explode === false) throw new Unfillable(`${name} has an object as its value`)
    return Object.entries(value).map(([key, one]) => pair(style === 'deepObject' ? `${name}[${key}]` : key, one))
  }
  // In Swagger 2.0, which has no schema, a list is one value unless it says otherwise.
  const isOne = explode === false || (schema === undefined && collectionFormat !== 'multi')
  return Array.isArray(value) && !isOne ? value.map((one) => pair(name, one)) : [pair(name, value)]
}

/** The path that is before all others. */
function baseOf (item: Json, operation: Json, document: Json): string {
  const { url, variables } = resolve(list(operation['servers'] ?? item['servers'] ?? document['servers'])[0], document)
  const base = document['swagger'] === undefined ? url : document['basePath']
  const filled = (typeof base === 'string' ? base : '').replaceAll(/\{([^}]*)\}/g, (_whole, name: string) => {
    const variable = isObject(variables) ? variables[name] : undefined
    return isObject(variable) ? String(variable['default']) : ''
  })
  const { pathname } = URL.canParse(filled, 'http://localhost') ? new URL(filled, 'http://localhost') : { pathname: '' }
  return pathname.replace(/\/+$/, '')
}

function isStream ({ responses, produces }: Json, document: Json): boolean {
  const kinds = Object.values(isObject(responses) ? responses : {}).flatMap((response) => {
    const { content } = resolve(response, document)
    return isObject(content) ? Object.keys(content) : []
  })
  return [...kinds, ...list(produces)].some((kind) => String(kind).startsWith('text/event-stream'))
}

/** What of JSON Schema the charts use. */
export interface Schema {
  type?: string
  description?: string
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
  items?: Schema
  anyOf?: Schema[]
  allOf?: Schema[]
  $ref?: string
  definitions?: Record<string, Schema>
  required?: string[]
  maxItems?: number
  minItems?: number
  enum?: string[]
  pattern?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  minLength?: number
  maxLength?: number
}

/** The values that a schema describes, objects with known keys left out, as `announce.minSeconds`. */
export function leaves (schema: Schema, path = ''): Array<{ path: string, leaf: Schema }> {
  return Object.entries(schema.properties ?? {}).flatMap(([key, leaf]) => leaf.properties === undefined
    ? [{ path: path + key, leaf }]
    : leaves(leaf, `${path}${key}.`))
}

/** The objects with known keys, as `announce.`; `''` is the whole. */
export function objects (schema: Schema, path = ''): string[] {
  return schema.properties === undefined
    ? []
    : [path, ...Object.entries(schema.properties).flatMap(([key, inner]) => objects(inner, `${path}${key}.`))]
}

/** What stands in the column "type". */
function typeOf ({ type, enum: choices, anyOf, items, additionalProperties }: Schema): string {
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(', ')
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ')
  if (items !== undefined) return `list of ${(items.anyOf ?? [items]).map(({ type }) => `${type}s`).join(' or ')}`
  if (typeof additionalProperties === 'object') return `map of ${additionalProperties.type}s`
  return type ?? 'any'
}

/** The values as a Markdown table, from the schema's descriptions and the defaults of values.yaml. */
export function valuesTable (schema: Schema, defaults: Record<string, unknown>): string {
  const rows = leaves(schema).filter(({ path }) => !path.startsWith('graceful-lib.')).map(({ path, leaf }) => {
    const value = path.split('.')
      .reduce<unknown>((inside, key) => (inside as Record<string, unknown> | undefined)?.[key], defaults)
    const group = schema.properties?.[path.split('.')[0] ?? '']?.properties === undefined ? '' : groupOf(schema, path)
    const cells = [
      `\`${path}\``,
      typeOf(leaf),
      value === undefined ? '' : `\`${JSON.stringify(value)}\``,
      `${group}${leaf.description ?? ''}`
    ]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| value | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

/** What the first value of a group begins with: what the group is about. */
function groupOf (schema: Schema, path: string): string {
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  const group = keys.reduce<Schema | undefined>((inside, key) => inside?.properties?.[key], schema)
  return Object.keys(group?.properties ?? {})[0] === last ? `**${group?.description ?? ''}** ` : ''
}

import { jsonAtEnd } from './document.ts'
import { readPrefix } from './lines.ts'

/** Where a line comes from, as far as that is known. */
export interface Origin {
  /** As the file is called. */
  file: string
  pod?: string | undefined
  /** As the process has it: in a pod, the pod's name. */
  hostname?: string | undefined
  pid?: number | undefined
}

/** An event of the plugin's. */
export interface LogRecord {
  /** `graceful.report` and the others of docs/reference/events.md#log-events. */
  event: string
  fields: Readonly<Record<string, unknown>>
  origin: Origin
}

type Fields = Readonly<Record<string, unknown>>

/** In each line that counts: it is in the names of events, and of a field of each report. */
export const mark = 'grace'
/** How deep a line is looked into. */
const deepest = 24
/** What names a pod: Loki, Google Cloud, Fluent Bit, OpenTelemetry, Azure, CloudWatch, Docker. */
const podNames = [
  'pod', 'pod_name', 'podName', 'PodName', 'k8s_pod_name', 'k8s.pod.name', 'logStreamName', '@logStream',
  'CONTAINER_NAME'
]
/** Where such names stand beside the line itself. */
const holders = ['stream', 'labels', 'kubernetes', 'resource', 'attributes', 'fields']

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const fieldOf = (fields: Fields, name: string): unknown => Object.hasOwn(fields, name) ? fields[name] : undefined
const textOf = (fields: Fields, names: readonly string[]): string | undefined => names
  .map((name) => fieldOf(fields, name))
  .find((value): value is string => typeof value === 'string' && value !== '')

/** The plugin's events in a value that was JSON, however deep, and also where it is JSON in a text again. */
export function * recordsIn (value: unknown, origin: Origin, depth = 0): Generator<LogRecord, void> {
  if (depth > deepest) return
  if (typeof value === 'string') {
    if (!value.includes(mark)) return
    const { text, pod = origin.pod } = readPrefix(value.trimEnd())
    yield * recordsIn(jsonAtEnd(text), { ...origin, pod }, depth + 1)
  } else if (Array.isArray(value)) {
    yield * inList(value, origin, depth)
  } else if (isFields(value)) {
    yield * inFields(value, origin, depth)
  }
}

function * inList (list: unknown[], origin: Origin, depth: number): Generator<LogRecord, void> {
  // CloudWatch Logs Insights: a row is a list of fields with their values.
  const pairs = list.filter((item): item is { field: string, value: unknown } =>
    isFields(item) && typeof fieldOf(item, 'field') === 'string' && Object.hasOwn(item, 'value'))
  if (pairs.length > 0) {
    yield * inFields(Object.fromEntries(pairs.map(({ field, value }) => [field, value])), origin, depth)
    return
  }
  for (const item of list) yield * recordsIn(item, origin, depth + 1)
}

function * inFields (fields: Fields, outer: Origin, depth: number): Generator<LogRecord, void> {
  const origin = originOf(fields, outer)
  const event = fieldOf(fields, 'event')
  if (typeof event === 'string' && event.startsWith('graceful.')) {
    yield { event, fields, origin }
    return
  }
  // A logger that has another field of that name, or writes none.
  if (isReport(fields)) {
    yield { event: 'graceful.report', fields: { report: fields }, origin }
    return
  }
  for (const value of Object.values(fields)) yield * recordsIn(value, origin, depth + 1)
}

function originOf (fields: Fields, origin: Origin): Origin {
  const resource = fieldOf(fields, 'resource')
  const inner = [...holders.map((name) => fieldOf(fields, name)), isFields(resource) && fieldOf(resource, 'labels')]
  const pod = [fields, ...inner].filter(isFields).map((one) => textOf(one, podNames)).find((name) => name !== undefined)
  const pid = fieldOf(fields, 'pid')
  return {
    file: origin.file,
    pod: pod ?? origin.pod,
    hostname: textOf(fields, ['hostname']) ?? origin.hostname,
    pid: typeof pid === 'number' && Number.isSafeInteger(pid) ? pid : origin.pid
  }
}

function isReport (fields: Fields): boolean {
  return Array.isArray(fieldOf(fields, 'phases')) && typeof fieldOf(fields, 'verdict') === 'string'
    && typeof fieldOf(fields, 'startedAt') === 'number' && typeof fieldOf(fields, 'summary') === 'string'
}

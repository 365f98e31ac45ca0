import type { MetricsText } from '../protocol.ts'

/** One value. Labels are as they are written, in the order of their names. */
interface Sample { name: string, labels: string, value: number }

/** One metric. */
export interface Family { name: string, type: string, help: string, samples: Sample[] }

/** Values of all metrics that are kept together: what children write is bounded, and their labels may change. */
const mostSamples = 50_000

const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g
const sample = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})?[ \t]+(\S+)/
const meta = /^# (HELP|TYPE) (\S+) ?(.*)$/
/** What the samples of a metric of each type may add to its name. */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'], counter: ['', '_total']
}
const numbers: Readonly<Record<string, number>> = { '+Inf': Infinity, '-Inf': -Infinity }

/** Reads what registries have written, in the form of Prometheus or of OpenMetrics. What is neither is left out. */
export function readFamilies (texts: readonly MetricsText[]): Family[] {
  return texts.flatMap(({ text }) => {
    const families = new Map<string, Family>()
    const familyOf = (name: string): Family => {
      const family = families.get(name) ?? { name, type: 'untyped', help: '', samples: [] }
      families.set(name, family)
      return family
    }
    let current: Family | undefined
    for (const line of text.split('\n')) {
      const [, kind, about = '', rest = ''] = meta.exec(line) ?? []
      if (kind !== undefined) {
        current = familyOf(about)
        if (kind === 'TYPE') current.type = rest
        else current.help = rest
        continue
      }
      const [, name, labels = '', value = ''] = line.startsWith('#') ? [] : sample.exec(line) ?? []
      if (name === undefined) continue
      const isOf = current !== undefined && (suffixes[current.type] ?? ['']).some((end) => current?.name + end === name)
      const family = isOf && current !== undefined ? current : familyOf(name)
      family.samples.push({ name, labels: sorted(labels), value: numbers[value] ?? Number(value) })
    }
    return [...families.values()].filter(({ samples }) => samples.length > 0)
  })
}

function sorted (labels: string): string {
  const all = [...labels.matchAll(label)].map(([text]) => text)
  return all.toSorted().join(',')
}

/** Whether values of several processes add up: what is counted, and not what is now. */
function isSum (type: string, name: string, family: string): boolean {
  return type === 'counter' || type === 'histogram' || (type === 'summary' && name !== family)
}

/** Metrics of several processes as those of one: what is counted is added up, all else has its process as a label. */
export class Exposition {
  readonly #families = new Map<string, Omit<Family, 'samples'> & { samples: Map<string, Sample> }>()
  #size = 0
  #left = 0

  /** Values that were left out, because there were too many. */
  get left (): number { return this.#left }
  /** What it has, to be added to another one. */
  get families (): Family[] {
    return [...this.#families.values()].map((family) => ({ ...family, samples: [...family.samples.values()] }))
  }

  /**
   * Adds the metrics of a process.
   *
   * @param child what tells it from others; undefined for one of which only what was counted is left, and empty for
   * values that need no such label
   */
  add (families: readonly Family[], child?: string): void {
    for (const { name, type, help, samples } of families) {
      const family = this.#families.get(name) ?? { name, type, help, samples: new Map<string, Sample>() }
      // Another release may mean something else by the same name.
      if (family.type !== type) continue
      this.#families.set(name, family)
      for (const { name: own, labels, value } of samples) {
        if (isSum(type, own, name)) this.#put(family.samples, own, labels, value)
        else if (child !== undefined) this.#put(family.samples, own, withChild(labels, child), value)
      }
    }
  }

  /** All of it, as Prometheus reads it. */
  text (): string {
    const lines: string[] = []
    for (const { name, type, help, samples } of this.#families.values()) {
      if (samples.size === 0) continue
      // The counters of OpenMetrics are called by another name than their values.
      const [first] = samples.values()
      const called = type === 'counter' && first !== undefined ? first.name : name
      lines.push(`# HELP ${called} ${help}`, `# TYPE ${called} ${type}`)
      for (const { name: own, labels, value } of samples.values()) {
        lines.push(`${own}${labels === '' ? '' : `{${labels}}`} ${written(value)}`)
      }
    }
    return `${lines.join('\n')}\n`
  }

  #put (samples: Map<string, Sample>, name: string, labels: string, value: number): void {
    const key = `${name} ${labels}`
    const there = samples.get(key)
    if (there !== undefined) there.value += value
    else if (this.#size < mostSamples) {
      this.#size++
      samples.set(key, { name, labels, value })
    } else this.#left++
  }
}

/** A label `child` of the service's own is called `exported_child`, as Prometheus does where two have one name. */
function withChild (labels: string, child: string): string {
  if (child === '') return labels
  const own = labels.replace(/(^|,)child=/, '$1exported_child=')
  return `child="${child}"${own === '' ? '' : `,${own}`}`
}

function written (value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : Number.isNaN(value) ? 'NaN' : String(value)
}

import { Coalesced } from '../../util/promises.ts'
import { isOurs } from '../protocol.ts'
import type { MetricsText } from '../protocol.ts'
import type { Child } from './child.ts'
import type { Supervisor } from './supervisor.ts'

/** How long a child may take for its metrics, in milliseconds. */
const patience = 500
/** Milliseconds between two scrapes that ask the children. */
const interval = 250

const row = (name: string, type: string, help: string, samples: Array<[labels: string, value: number]>): Family => ({
  name: `fastify_graceful_supervisor_${name}`,
  type,
  help,
  samples: samples.map(([labels, value]) => ({ name: `fastify_graceful_supervisor_${name}`, labels, value }))
})

/**
 * The metrics of all children in one text. What a child has counted stays when it has ended, as far as it has told: it
 * tells when it is asked, and at its end.
 */
export class TreeMetrics {
  readonly #supervisor: Pick<Supervisor, 'children' | 'slots' | 'aggregate'>
  readonly #told = new Map<Child, Family[]>()
  /** The counts of children that have ended. */
  readonly #past = new Exposition()
  readonly #followed = new WeakSet<Child>()
  readonly #texts: Coalesced<string>

  constructor (supervisor: Pick<Supervisor, 'children' | 'slots' | 'aggregate'>) {
    this.#supervisor = supervisor
    this.#texts = new Coalesced(() => this.#collect(), interval)
    supervisor.aggregate.onChange(() => this.#follow())
    this.#follow()
  }

  /** As Prometheus reads it. Never rejects. */
  text (): Promise<string> { return this.#texts.ask() }

  #follow (): void {
    for (const child of this.#supervisor.children) {
      if (this.#followed.has(child)) continue
      this.#followed.add(child)
      let isGone = false
      // In the order in which it tells: the answer to a question must not come over what it says at its end.
      child.worker.on('message', (message: unknown) => {
        if (isGone || !isOurs(message) || !('metrics' in message)) return
        this.#told.set(child, readFamilies(message.metrics as MetricsText[]))
      })
      void child.gone.then(() => {
        isGone = true
        this.#past.add(this.#told.get(child) ?? [])
        this.#told.delete(child)
      })
    }
  }

  async #collect (): Promise<string> {
    this.#follow()
    const { children, slots } = this.#supervisor
    const answered = new Set<Child>()
    await Promise.all([...children].filter(({ alive }) => alive).map(async (child) => {
      await child.ask('metrics', patience).then(() => answered.add(child), () => {})
    }))
    const all = new Exposition()
    all.add(this.#past.families)
    for (const [child, families] of this.#told) {
      // During a reload two have the same place: what is now is told of the one that has it.
      const isPlaced = answered.has(child) && slots[child.place - 1]?.child === child
      all.add(families, isPlaced ? String(child.place) : undefined)
    }
    all.add(this.#own(answered, this.#past.left + all.left), '')
    return all.text()
  }

  #own (answered: ReadonlySet<Child>, left: number): Family[] {
    const { slots, aggregate } = this.#supervisor
    const up = slots.map(({ number, child }): [string, number] =>
      [`child="${number}"`, child !== undefined && answered.has(child) ? 1 : 0])
    const restarts = slots.reduce((sum, slot) => sum + slot.restarts, 0)
    return [
      row('child_up', 'gauge', 'Whether the child of a place has answered this scrape', up),
      row('ready_children', 'gauge', 'How many children are ready', [['', aggregate.readyChildren]]),
      row('restarts_total', 'counter', 'Places that were filled again after an end that nobody asked for', [
        ['', restarts]
      ]),
      row('samples_left_out', 'gauge', 'Values that are left out, because there are too many', [['', left]])
    ]
  }
}

/** One value. Labels are as they are written, in the order of their names. */
interface Sample { name: string, labels: string, value: number }

/** One metric. */
interface Family { name: string, type: string, help: string, samples: Sample[] }

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

  /** All metrics, as Prometheus reads them. */
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

import { Coalesced } from '../../util/promises.ts'
import { isOurs } from '../protocol.ts'
import type { MetricsText } from '../protocol.ts'
import type { Child } from './child.ts'
import { Exposition, readFamilies } from './exposition.ts'
import type { Family } from './exposition.ts'
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
  /** What those have counted that have ended. */
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

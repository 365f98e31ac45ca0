import type { FastifyInstance } from 'fastify'
import type { Histogram } from 'prom-client'
import type * as promClient from 'prom-client'
import { errors, messageOf } from '../errors.ts'
import { registerQuiet } from '../fastify/quiet-route.ts'
import { Coalesced } from '../util/promises.ts'
import type { MetricsRegistry } from './options.ts'
import { histogramTable, metricPrefix, metricTable, readTable } from './table.ts'
import type { HistogramRow, MetricSources, ReadRow } from './table.ts'

/** What of `prom-client` is used. */
export type MetricsClient = Pick<typeof promClient, 'Counter' | 'Gauge' | 'Histogram' | 'Registry'>

/**
 * Loads `prom-client`, an optional peer dependency.
 *
 * @throws FST_GRACEFUL_METRICS_CLIENT it cannot be loaded
 */
export async function loadClient (): Promise<MetricsClient> {
  try {
    const { default: client } = await import('prom-client')
    return client
  } catch (error) {
    throw new errors.FST_GRACEFUL_METRICS_CLIENT(messageOf(error))
  }
}

/** The meter of each registry: that of the next application takes the place of one that has ended. */
const owners = new WeakMap<object, Meter>()

/** The metrics of one application in a registry. */
export class Meter {
  readonly registry: MetricsRegistry
  readonly #blocked: Histogram
  readonly #lastConnections: Histogram
  readonly #sources: MetricSources

  /** @throws FST_GRACEFUL_INVALID_OPTION the registry has metrics of these names */
  constructor (client: MetricsClient, given: MetricsRegistry | undefined, sources: MetricSources) {
    // A registry may come from another copy of `prom-client`: its methods make it one.
    const registry = given as InstanceType<MetricsClient['Registry']> | undefined ?? new client.Registry()
    this.registry = registry
    this.#sources = sources
    takeOver(registry)
    owners.set(registry, this)
    const registers = [registry]
    for (const row of readTable) readMetric(client, row, registers, sources)
    const histogram = ({ name, help, buckets }: HistogramRow): Histogram =>
      new client.Histogram({ name: metricPrefix + name, help, buckets: [...buckets], registers })
    this.#blocked = histogram(histogramTable.blocked)
    this.#lastConnections = histogram(histogramTable.lastConnection)
  }

  /** Whether the application behind it has ended. */
  get over (): boolean {
    return this.#sources.report() !== undefined
  }

  /** The event loop turns again after so many milliseconds. */
  unblocked (duration: number): void {
    this.#blocked.observe(duration / 1000)
  }

  /** The listener has closed; the last new connection came so many milliseconds after the announcement. */
  lastConnection (after: number): void {
    this.#lastConnections.observe(after / 1000)
  }
}

function takeOver (registry: MetricsRegistry): void {
  const there = metricTable
    .map(({ name }) => metricPrefix + name)
    .filter((name) => registry.getSingleMetric(name) !== undefined)
  const [first] = there
  if (first === undefined) return
  if (owners.get(registry)?.over !== true) {
    throw new errors.FST_GRACEFUL_INVALID_OPTION(
      'metrics.registry', 'a registry that no other application uses', `one that has ${first}`, 'object'
    )
  }
  for (const name of there) registry.removeSingleMetric(name)
}

function readMetric (
  client: MetricsClient,
  { name, type, help, labels, read }: ReadRow,
  registers: Array<InstanceType<MetricsClient['Registry']>>,
  sources: MetricSources
): void {
  const common = { name: metricPrefix + name, help, labelNames: [...labels], registers }
  if (type === 'gauge') {
    // oxlint-disable-next-line no-new -- it registers itself
    new client.Gauge({
      ...common,
      collect () {
        this.reset()
        for (const sample of read(sources)) this.set(sample.labels, sample.value)
      }
    })
    return
  }
  // oxlint-disable-next-line no-new -- it registers itself
  new client.Counter({
    ...common,
    collect () {
      this.reset()
      for (const sample of read(sources)) this.inc(sample.labels, sample.value)
    }
  })
}

/**
 * Registers the route that serves a registry, for GET and HEAD.
 *
 * @param root the root instance: the prefix of a plugin does not apply
 * @param routeConfig the route's `config`, which exempts it from what meets ordinary traffic
 */
export function registerMetrics (
  root: FastifyInstance,
  path: string,
  registry: MetricsRegistry,
  routeConfig: object
): void {
  const rendering = new Coalesced(async () => Buffer.from(await registry.metrics()))
  registerQuiet(root, path, routeConfig, async (_request, reply) => {
    const text = await rendering.ask()
    return reply
      .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      .type(registry.contentType)
      .send(text)
  })
}

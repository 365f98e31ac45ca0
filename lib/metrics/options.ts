/** As much of a registry of `prom-client` as is used; its own types are not needed to read ours. */
export interface MetricsRegistry {
  // oxlint-disable-next-line typescript/no-explicit-any -- every kind of metric
  registerMetric (metric: any): void
  getSingleMetric (name: string): unknown
  removeSingleMetric (name: string): void
  /** All metrics in the text form of {@link contentType}. */
  metrics (): Promise<string>
  readonly contentType: string
}

/** The option `metrics`. */
export interface MetricsOptions {
  /** Where the metrics are registered. Default: a registry of the application's own. */
  registry?: MetricsRegistry
  /** The route that serves the registry; `false` for none. Default: `'/-/metrics'`. */
  path?: string | false
}

/** {@link MetricsOptions} with the defaults filled in. */
export interface MetricsSettings {
  registry: MetricsRegistry | undefined
  path: string | false
}

const methods = ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics'] as const

/** Whether something can serve as a registry, whichever copy of `prom-client` it is of. */
export function isRegistry (value: unknown): boolean {
  return typeof value === 'object'
    && value !== null
    && methods.every((name) => typeof (value as Partial<MetricsRegistry>)[name] === 'function')
}

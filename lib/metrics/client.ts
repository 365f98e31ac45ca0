import type * as promClient from 'prom-client'
import { errors, messageOf } from '../errors.ts'

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

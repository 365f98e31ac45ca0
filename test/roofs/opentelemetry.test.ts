import t from 'tap'
import { startCollector } from './support/collector.ts'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

// Scenario (Foreign parties): OpenTelemetry's auto-instrumentations, with a collector
t.test('OpenTelemetry loaded before the service: every request has its span, also those after the signal',
  async (t) => {
    const folder = await install('opentelemetry')
    t.comment(
      `@opentelemetry/auto-instrumentations-node ${versionOf(folder, '@opentelemetry/auto-instrumentations-node')}`
    )
    const collector = await startCollector()
    t.teardown(() => collector.close())
    const outcome = await update({
      service: (name) => ({
        folder,
        command: ['node', '--require', '@opentelemetry/auto-instrumentations-node/register', 'server.cjs'],
        env: {
          OTEL_SERVICE_NAME: name,
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
          OTEL_TRACES_EXPORTER: 'otlp',
          OTEL_METRICS_EXPORTER: 'none',
          OTEL_LOGS_EXPORTER: 'none',
          OTEL_NODE_RESOURCE_DETECTORS: 'env',
          OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http'
        }
      })
    })
    lostNothing(t, outcome)
    t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
    const answered = Number((await outcome.old.waitFor(/^answered (\d+)$/))[1])
    t.ok(answered > 50, `${answered} requests answered by the old one`)
    t.equal(collector.serverSpans('old'), answered, 'as many spans')
  })

// A shutdown as a span of OpenTelemetry: an event for each phase, and one for each request that was cut.
import { subscribe } from 'node:diagnostics_channel'
import { SpanStatusCode } from '@opentelemetry/api'
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'

// In production: a BatchSpanProcessor with the exporter of your collector.
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] })
const tracer = provider.getTracer('shutdown')

let span

subscribe('fastify-graceful:phase', ({ application, phase, previous, record, reason }) => {
  span ??= tracer.startSpan('shutdown', { attributes: { application, reason } })
  span.addEvent(phase, {
    previous,
    duration: record.duration,
    endedBy: record.endedBy,
    stalledBy: record.stalledBy.map(({ name }) => name)
  })
  // Phase 4 begins with this, before OpenTelemetry's own listener of the signal ends its SDK. Or a drain by hand was
  // taken back.
  if (phase === 'terminated' || phase === 'running') end()
})

subscribe('fastify-graceful:request-cut', ({ method, route = '(no route)', age, by }) => {
  // Other code may end a request after the span is over, while `app.close()` waits for its connections.
  span?.addEvent('request cut', { method, route, age, by })
  span?.setStatus({ code: SpanStatusCode.ERROR, message: 'a request was cut' })
})

function end () {
  span.end()
  span = undefined
}

const app = Fastify({ logger: true })
await app.register(graceful)

// This is waited for. It is not needed where OpenTelemetry is started with
// `--require @opentelemetry/auto-instrumentations-node/register`: then it flushes by itself at the signal, which it
// hears of after the last request.
app.graceful.addHook('terminated', async () => provider.forceFlush(), { name: 'export the span', timeout: 2000 })

app.get('/', async () => ({ hello: 'world' }))

await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })

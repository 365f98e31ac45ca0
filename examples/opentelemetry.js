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
  span.addEvent(phase, { previous, duration: record.duration, endedBy: record.endedBy, stalledBy: record.stalledBy.map(({ name }) => name) })
  // A drain by hand that was taken back.
  if (phase === 'running') end()
})

subscribe('fastify-graceful:request-cut', ({ method, route = '(no route)', age }) => {
  span.addEvent('request cut', { method, route, age })
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'a request was cut' })
})

function end () {
  span.end()
  span = undefined
}

const app = Fastify({ logger: true })
await app.register(graceful)

// The span ends here and not with the report, for this is waited for: whatever begins later may die with the process.
app.graceful.addHook('terminated', async () => {
  end()
  await provider.forceFlush()
}, { name: 'export the span', timeout: 2000 })

app.get('/', async () => ({ hello: 'world' }))

await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })

import * as fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { LogReader } from '../../../lib/cli/report/reader.ts'
import type { LineCounts } from '../../../lib/cli/report/reader.ts'
import type { LogRecord } from '../../../lib/cli/report/records.ts'
import { lineOf } from './sample.ts'

interface Read { records: LogRecord[], counts: LineCounts }

function read (text: string | string[]): Read {
  const counts: LineCounts = { lines: 0, others: 0, tooLong: 0, broken: 0 }
  const records: LogRecord[] = []
  const reader = new LogReader('shop.log', counts, (record) => records.push(record))
  for (const line of typeof text === 'string' ? text.split('\n') : text) reader.line(line)
  reader.end()
  return { records, counts }
}

const line = lineOf()
const other = lineOf({ times: { draining: 4321 } }, { hostname: 'shop-2' })
const fields = JSON.parse(line) as object
const stamp = '2026-11-29T20:26:20.982123456Z'
const noise = '{"level":30,"time":1795305562953,"pid":17,"hostname":"shop-1","reqId":"req-1","msg":"incoming request"}'

/** Who is named, and that the report is the one that was written. */
function isRead (t: Test, { records }: Read, pods: Array<string | undefined>, message: string): void {
  t.same(records.map(({ event, origin }) => [event, origin.pod]), pods.map((pod) => ['graceful.report', pod]), message)
  for (const { fields: { report } } of records) t.match(report, { verdict: 'clean', reason: 'SIGTERM', phases: [{ phase: 'announcing' }] })
}

t.test('lines as a service writes them', (t) => {
  const { records, counts } = read([noise, line, 'Server listening', ''])
  isRead(t, { records, counts }, [undefined], 'pino')
  t.match(records[0]?.origin, { file: 'shop.log', hostname: 'shop-1', pid: 17 })
  t.same(counts, { lines: 4, others: 3, tooLong: 0, broken: 0 })
  const { report } = fields as { report: object }
  for (const [name, nested] of Object.entries({
    'pino, nestedKey': { level: 30, pid: 17, hostname: 'shop-1', payload: { event: 'graceful.report', report }, msg: 'x' },
    'winston, splat in meta': { level: 'info', message: 'x', meta: { event: 'graceful.report', report } },
    'a logger that has an event of its own': { event: 'log', data: { report } },
    'a message that is JSON': { level: 'info', message: line }
  })) isRead(t, read(JSON.stringify(nested)), [undefined], name)
  t.end()
})

t.test('lines as Kubernetes has them', (t) => {
  // `kubectl logs --prefix`: "[pod/%s/%s] ", kubernetes/kubectl, pkg/cmd/logs/logs.go.
  isRead(t, read([`[pod/shop-1/shop] ${noise}`, `[pod/shop-1/shop] ${line}`, `[pod/shop-2/shop] ${other}`]), ['shop-1', 'shop-2'], '--prefix')
  isRead(t, read([`${stamp} ${noise}`, `${stamp} ${line}`]), [undefined], '--timestamps')
  isRead(t, read(`[pod/shop-1/shop] ${stamp} ${line}`), ['shop-1'], 'both')
  // The API server puts a time before each piece of a line of more than 16 KiB.
  isRead(t, read(`${stamp} ${line.slice(0, 400)}${stamp} ${line.slice(400)}`), [undefined], '--timestamps of a long line')

  // The kubelet's files (CRI): kubernetes/kubernetes, pkg/kubelet/kuberuntime/logs/logs.go.
  isRead(t, read([`${stamp} stdout F ${noise}`, `${stamp} stdout F ${line}`]), [undefined], 'CRI')
  const pieces = [
    `${stamp} stdout P ${line.slice(0, 300)}`, `${stamp} stderr F ${noise}`, `${stamp} stdout P ${line.slice(300, 500)}`,
    `${stamp} stdout F ${line.slice(500)}`
  ]
  isRead(t, read(pieces), [undefined], 'CRI in pieces, with another stream between them')
  t.equal(read(pieces.slice(0, 3)).counts.broken, 1, 'whose end is missing')
  t.end()
})

const wrapped = (log: string): string => JSON.stringify({ log, stream: 'stdout', time: stamp })

t.test('lines as Docker has them', (t) => {
  // Docker's json-file: a line of more than 16 KiB comes in pieces, of which the last one has the end of the line.
  isRead(t, read([wrapped(`${noise}\n`), wrapped(`${line}\n`)]), [undefined], 'json-file')
  const long = lineOf({ advice: ['x'.repeat(40_000)] })
  isRead(t, read([
    wrapped(`${noise}\n`), ...[0, 1, 2].map((index) => wrapped(long.slice(index * 16_384, (index + 1) * 16_384).concat(index === 2 ? '\n' : '')))
  ]), [undefined], 'json-file, in pieces')
  isRead(t, read([`shop-1  | ${noise}`, `shop-1  | ${line}`]), ['shop-1'], 'docker compose logs')
  t.end()
})

t.test('lines as Loki has them', (t) => {
  // `logcli --output=jsonl`, `raw` and `default`: grafana/loki, pkg/logcli/output.
  const labels = { container: 'shop', pod: 'shop-1' }
  isRead(t, read(JSON.stringify({ labels, line, timestamp: stamp })), ['shop-1'], 'jsonl')
  isRead(t, read(line), [undefined], 'raw')
  isRead(t, read(`2026-11-29T20:26:20Z {container="shop", pod="shop-1"}   ${line}`), ['shop-1'], 'default')
  // GET /loki/api/v1/query_range, https://grafana.com/docs/loki/latest/reference/loki-http-api/.
  const result = [
    { stream: labels, values: [['1795305562953000000', noise], ['1795305562954000000', line]] },
    { stream: { ...labels, pod: 'shop-2' }, values: [['1795305562955000000', `${stamp} stdout F ${other}`]] }
  ]
  const answer = { status: 'success', data: { resultType: 'streams', result, stats: {} } }
  isRead(t, read(JSON.stringify(answer)), ['shop-1', 'shop-2'], 'an answer in one line')
  isRead(t, read(JSON.stringify(answer, null, 2)), ['shop-1', 'shop-2'], 'an answer in many')
  t.end()
})

/** Of `aws logs filter-log-events`: API_FilterLogEvents and API_FilteredLogEvent of Amazon CloudWatch Logs. */
const event = (message: string, logStreamName: string): object =>
  ({ logStreamName, timestamp: 1, message, ingestionTime: 2, eventId: '3' })

t.test('lines as clouds have them', (t) => {
  const events = [event(noise, 'ecs/shop/1'), event(line, 'ecs/shop/1'), event(other, 'ecs/shop/2')]
  const names = ['ecs/shop/1', 'ecs/shop/2']
  isRead(t, read(JSON.stringify({ events, searchedLogStreams: [] }, null, 4)), names, 'aws logs filter-log-events')
  isRead(t, read(JSON.stringify({ events, searchedLogStreams: [] })), names, 'the same in one line')
  isRead(t, read(`2026-11-29T20:26:20.982000+00:00 ecs/shop/1 ${line}`), [undefined], 'aws logs tail')
  const rows = events.map((one) => Object.entries(one).map(([field, value]) =>
    ({ field: field === 'message' ? '@message' : field === 'logStreamName' ? '@logStream' : field, value: String(value) })))
  isRead(t, read(JSON.stringify({ results: rows, status: 'Complete' }, null, 4)), names, 'Logs Insights')
  const bit = { log: line, kubernetes: { pod_name: 'shop-1', container_name: 'shop' }, stream: 'stdout', logtag: 'F' }
  isRead(t, read(JSON.stringify({ events: [event(JSON.stringify(bit), 'x')] }, null, 4)), ['shop-1'], 'Container Insights')

  // `gcloud logging read --format=json`: LogEntry of Google Cloud Logging.
  const entry = { insertId: 'x', jsonPayload: fields, resource: { type: 'k8s_container', labels: { pod_name: 'shop-1' } } }
  isRead(t, read(JSON.stringify([entry, { ...entry, jsonPayload: undefined, textPayload: other }], null, 2)), ['shop-1', 'shop-1'], 'gcloud')
  isRead(t, read(JSON.stringify(entry)), ['shop-1'], 'an export, a line each')
  isRead(t, read(JSON.stringify(fields, null, 2)), [undefined], 'jq')
  t.end()
})

t.test('lines as the journal has them', (t) => {
  // Journal JSON Format: systemd/systemd, docs/JOURNAL_EXPORT_FORMATS.md.
  const entry = { __CURSOR: 's=1', _HOSTNAME: 'node-1', SYSLOG_IDENTIFIER: 'shop', MESSAGE: line }
  isRead(t, read(JSON.stringify(entry)), [undefined], 'journalctl -o json')
  isRead(t, read(JSON.stringify({ ...entry, CONTAINER_NAME: 'shop' })), ['shop'], 'of Docker')
  isRead(t, read(`Nov 29 20:26:20 node-1 shop[17]: ${line}`), ['node-1'], 'short')
  isRead(t, read(`2026-11-29T20:26:20+0000 node-1 shop[17]: ${line}`), [undefined], 'short-iso')
  t.end()
})

t.test('what is cut off, or comes in between, costs no more than itself', (t) => {
  isRead(t, read([line.slice(0, 500), line]), [undefined], 'in a string or not')
  for (let length = 1; length < line.length; length += 17) {
    const { records } = read([line.slice(0, length), noise, line])
    t.equal(records.length, 1, `cut after ${length}`)
  }
  t.end()
})

// Scenario, too: Lines of a log that are endless…
t.test('hostile lines do no harm, and what follows them is read', (t) => {
  const hostile = [
    '['.repeat(100_000), '{"a":'.repeat(100_000), `{"event":"graceful.report","report":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    '{"__proto__":{"event":"graceful.report"},"constructor":"graceful."}', '{"event":"graceful.report","report":null}',
    '{"event":"graceful.report","report":{"__proto__":{"phases":[]}}}', '{"event":"graceful.","x":1e999}', '\u0000graceful\u2028',
    `"${'\\"graceful{'.repeat(10_000)}"`, '{"graceful'.repeat(5000), '[pod/graceful', '{"log":"graceful","stream":"stdout"}',
    `${stamp} stdout P graceful`, '    report: {', 'fastify-graceful: ', '    __proto__: {', '    __proto__: 1'
  ]
  for (const text of hostile) t.doesNotThrow(() => read([text, text]), text.slice(0, 40))
  const { records } = read([...hostile, `${stamp} stdout F !`, line])
  t.ok(records.some(({ origin }) => origin.hostname === 'shop-1'))
  t.equal(({} as { event?: unknown }).event, undefined)
  t.end()
})

t.test('no line throws, whatever is in it', (t) => {
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('{', '}', '[', ']', '"', '{"event":"graceful.report","report":', ' stdout P ', 'fastify-graceful: ', '    report: {', line.slice(0, 700)),
    fc.jsonValue().map((value) => JSON.stringify(value))
  )
  fc.assert(fc.property(fc.array(fc.array(part).map((parts) => parts.join('')), { maxLength: 8 }), (lines) => {
    t.equal(read(lines.map((one) => one.replaceAll('\n', ''))).counts.lines, lines.length)
  }))
  t.end()
})

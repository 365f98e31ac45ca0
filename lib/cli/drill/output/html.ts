import { createHash } from 'node:crypto'
import { stages } from '../../../drill/index.ts'
import type { DrillRecord, RunRecord } from '../../../drill/index.ts'
import { counted } from '../../../util/text.ts'
import { compareWith, rowsOf } from './comparison.ts'
import { latencyChart, legend, timeLine } from './chart.ts'
import { Markup, markup } from './markup.ts'
import type { Compared, DrillReport, Trial } from './result.ts'
import { style } from './style.ts'
import {
  ending, groupLosses, isPassed, logLine, lossOf, milliseconds, momentOf, outcome, podHeads, podNotes, podRow, reportOf,
  saving, settingOf, spanOf, subject
} from './words.ts'

/** Losses that are listed one by one. */
const mostLosses = 200

const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; `
  + "base-uri 'none'; form-action 'none'"

/** The result as one page, which loads nothing and runs nothing. */
export function htmlOf ({ record, advice, trial, compared }: DrillReport): string {
  const passed = isPassed(record)
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${outcome(record)} · ${record.service}</title><style>${new Markup(style)}</style></head>
<body><main>
<h1>${outcome(record)}</h1>
<p class="${passed ? 'good' : 'bad'}"><strong>${passed ? '✓ Passed' : '✗ Failed'}</strong></p>
<p class="mute">${subject(record)}. ${new Date(record.runs[0]?.begunAt ?? 0).toISOString()}</p>
${advice.length === 0 ? '' : markup`<section><h2>Advice</h2><ol>${advice.map((one) => markup`<li>
<strong>${one.action}</strong>
<p class="mute">${one.because} (${saving(one)})</p>${one.settings.map((setting) =>
  markup`<pre><code>${settingOf(setting).join('\n')}</code></pre>`)}</li>`)}</ol></section>`}
${trial === undefined ? '' : trialOf(record, trial)}
${compared === undefined ? '' : comparisonOf(compared, record)}
${record.runs.map((run, index) => runOf(run, index, record))}
</main></body></html>\n`.text
}

function runOf (run: RunRecord, index: number, { runs, grace }: DrillRecord): Markup {
  const { losses, lost, replicas, latency, fault } = run
  const title = `${runs.length > 1 ? `Run ${index + 1}: ` : ''}${lost} of ${counted(run.requests, 'request')} lost`
  const times = stages.map((stage) => {
    const { count, p50, p90, p99, max } = latency.stages[stage]
    return [`${stage} the update`, count, ...[p50, p90, p99, max].map(milliseconds)]
  })
  return markup`<section><h2>${title}</h2>
${fault === undefined ? '' : markup`<h3>What is expected of the fault</h3>${
  table(`Expectations of run ${index + 1}`, ['expected', 'seen', ''],
    fault.expectations.map(({ expected, seen, met }) => [expected, seen, met ? 'met' : 'NOT MET']))}`}
<h3>Time line</h3>${legend()}${timeLine(run, grace)}
<h3>Latency</h3>${latencyChart(run)}
${table(`Latency of run ${index + 1}`, ['', 'answers', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms'], times)}
${losses.length === 0 ? '' : markup`<h3>Losses</h3>${table(`Losses of run ${index + 1} by kind`,
  ['lost', 'kind', 'replica', 'phase', 'when'], groupLosses(losses).map((group) =>
    [group.losses.length, group.kind, group.replica, group.phase, spanOf(group.losses)]))}
<details><summary>${losses.length > mostLosses ? `The first ${mostLosses} of them` : 'Each of them'}</summary>${
  table(`Each loss of run ${index + 1}`, ['since the signal', 'replica', 'phase', 'request'],
    losses.slice(0, mostLosses).map((loss) =>
      [momentOf(loss), loss.replica ?? 'no replica', loss.phase ?? '-', lossOf(loss)]))}</details>`}
<h3>Replicas</h3>${table(`Replicas of run ${index + 1}`, ['replica', 'end', 'report'], replicas.map((replica) =>
  [replica.name, ending(replica, grace), reportOf(replica) || '-']))}
${replicas.every(({ pod }) => pod === undefined) ? '' : markup`<h3>Pods</h3>${table(`Pods of run ${index + 1}`,
  podHeads, replicas.map((replica) => podRow(replica, grace).map((cell) => cell || '-')))}
<ul>${replicas.flatMap(podNotes).map((text) => markup`<li>${text}</li>`)}</ul>`}
${replicas.filter(({ log }) => log.length > 0).map(({ name, log }) => markup`<details><summary>Log of ${name}</summary>
<pre><code>${log.map(logLine).join('\n')}</code></pre></details>`)}</section>`
}

function comparisonOf (compared: Compared, record: DrillRecord): Markup {
  const { name, subject: other, before, now } = compareWith(compared, record)
  return markup`<section><h2>Compared with ${name}</h2><p class="mute">${other}</p>${
    table('Before and now', ['', 'before', 'now'], rowsOf(before, now))}</section>`
}

function trialOf (record: DrillRecord, { variables, untried, failure, record: tried }: Trial): Markup {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  return markup`<section><h2>The advice, tried</h2>${lines.length === 0
    ? markup`<p>No variable sets what is advised: nothing was tried.</p>`
    : markup`<pre><code>${lines.join('\n')}</code></pre>`}
${untried.length === 0 ? '' : markup`<p class="mute">Not tried, for no variable sets it: ${untried.join(', ')}.</p>`}
${failure === undefined ? '' : markup`<pre><code>${failure}</code></pre>`}
${tried === undefined ? '' : table('As it is, and with the advice', ['', 'result'], [
  ['as it is', outcome(record)], ['with the advice', outcome(tried)]
])}</section>`
}

/** A table that scrolls by itself where it is too wide; whoever has a keyboard only can get there. */
function table (name: string, head: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number>>): Markup {
  return markup`<div class="wide" tabindex="0" role="region" aria-label="${name}"><table>
<thead><tr>${head.map((text) =>
    text === '' ? markup`<td></td>` : markup`<th scope="col">${text}</th>`)}</tr></thead><tbody>${rows.map((row) =>
    markup`<tr>${row.map((cell, index) =>
      index === 0 ? markup`<th scope="row">${cell}</th>` : markup`<td>${cell}</td>`)}</tr>`)
  }</tbody></table></div>`
}

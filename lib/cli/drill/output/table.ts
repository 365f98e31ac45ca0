import { stages } from '../../../drill/index.ts'
import type { DrillRecord, ReplicaRecord, RunRecord } from '../../../drill/index.ts'
import { printable } from '../../printable.ts'
import { columns, fit, textWidth } from '../../cells.ts'
import { line } from '../../status/sections.ts'
import type { Line } from '../../status/sections.ts'
import { sideBySide } from './comparison.ts'
import type { DrillReport, Trial } from './result.ts'
import {
  ending, groupLosses, isPassed, lossOf, milliseconds, momentOf, outcome, podHeads, podNotes, podRow, reportOf, saving,
  settingOf, spanOf, subject
} from './words.ts'

/** Losses that are shown one by one, and groups of them. */
const [mostLosses, mostGroups] = [5, 12]

/** What a drill has shown, as lines that are no wider than this. */
export function tableOf ({ record, advice, trial, compared }: DrillReport, width: number): Line[] {
  return [
    line(''),
    line(outcome(record), isPassed(record) ? 'good' : 'bad'),
    line(subject(record), 'dim'),
    ...record.runs.length > 1 ? runsOf(record) : [],
    ...record.runs.flatMap((run, index) => runOf(run, index, record)),
    ...advice.length === 0 ? [] : [line(''), line('advice', 'strong')],
    ...advice.flatMap((one, index) => [
      ...wrapped(`${index + 1}. `, one.action, width),
      ...wrapped('   ', `${one.because} (${saving(one)})`, width).map(({ text }) => line(text, 'dim')),
      ...one.settings.flatMap((setting) => settingOf(setting).map((text) => line(`     ${text}`)))
    ]),
    ...trial === undefined ? [] : trialOf(record, trial, width),
    ...compared === undefined ? [] : [
      line(''),
      line(`compared with ${compared.name}`, 'strong'),
      line(subject(compared.record), 'dim'),
      ...beside(['before', 'now'], sideBySide(compared.record, record))
    ]
  ].map(({ text, tone }) => line(fit(printable(text), width), tone))
}

const range = (values: readonly number[], text: (value: number) => string): string =>
  `${text(Math.min(...values))}..${text(Math.max(...values))}`

/** One row for each run, and the range. */
function runsOf ({ runs }: DrillRecord): Line[] {
  const rows = columns([
    ['run', 'requests', 'lost', 'p50 ms', 'p99 ms', 'max ms'],
    ...runs.map(({ requests, lost, latency: { p50, p99, max } }, index) =>
      [`${index + 1}`, `${requests}`, `${lost}`, ...[p50, p99, max].map(milliseconds)]),
    [
      'range', range(runs.map((run) => run.requests), String), range(runs.map((run) => run.lost), String),
      ...(['p50', 'p99', 'max'] as const).map((name) => range(runs.map((run) => run.latency[name]), milliseconds))
    ]
  ])
  return [line(''), ...indented(rows, runs.map(({ lost }) => lost > 0))]
}

function runOf (run: RunRecord, index: number, { runs, grace }: DrillRecord): Line[] {
  const { losses, lost, latency, replicas, fault } = run
  const groups = groupLosses(losses)
  const rest = lost - Math.min(mostLosses, losses.length)
  return [
    line(''),
    ...runs.length === 1 ? [] : [line(`run ${index + 1}: ${lost} of ${run.requests} lost`, 'strong')],
    ...fault === undefined ? [] : [line('what is expected of the fault', 'strong')],
    ...(fault?.expectations ?? []).map(({ expected, seen, met }) =>
      line(`  ${met ? 'met' : 'NOT MET'}: ${expected}; seen: ${seen}`, met ? 'good' : 'bad')),
    ...lost === 0 ? [] : [
      line(`lost, by kind, replica and phase${lost > losses.length ? `: the first ${losses.length} of ${lost}` : ''}`,
        'strong'),
      ...indented(columns(groups.slice(0, mostGroups).map((group) =>
        [`${group.losses.length}`, group.kind, group.replica, group.phase, spanOf(group.losses)]))),
      ...groups.length > mostGroups ? [line(`  and ${groups.length - mostGroups} more of these`)] : [],
      line('the first of them', 'strong'),
      ...indented(columns(losses.slice(0, mostLosses).map((loss) =>
        [momentOf(loss), loss.replica ?? 'no replica', loss.phase ?? '-', lossOf(loss)]))),
      ...rest > 0 ? [line(`  and ${rest} more`)] : []
    ],
    line('answers took, in ms', 'strong'),
    ...indented(columns([
      ['', 'answers', 'p50', 'p90', 'p99', 'max'],
      ...stages.map((stage) => ({ stage, ...latency.stages[stage] })).filter(({ count }) => count > 0)
        .map(({ stage, count, p50, p90, p99, max }) =>
          [`${stage} the update`, `${count}`, ...[p50, p90, p99, max].map(milliseconds)])
    ])),
    ...replicas.length === 0 ? [] : replicas.some(({ pod }) => pod !== undefined)
      ? podsOf(replicas, grace)
      : [
          line('replicas', 'strong'),
          ...indented(
            columns(replicas.map((replica) => [replica.name, ending(replica, grace), reportOf(replica)])),
            replicas.map(isBad), 0
          )
        ]
  ]
}

const isBad = ({ departure }: ReplicaRecord): boolean => departure?.isKilled === true || (departure?.code ?? 0) !== 0

/** The pods of a cluster, and what else was seen of them. */
function podsOf (replicas: readonly ReplicaRecord[], grace: number): Line[] {
  const notes = replicas.flatMap(podNotes)
  return [
    line('pods', 'strong'),
    ...indented(columns([[...podHeads], ...replicas.map((replica) => podRow(replica, grace))]), replicas.map(isBad)),
    ...notes.length === 0 ? [] : [line('seen of them', 'strong'), ...notes.map((text) => line(`  ${text}`, 'bad'))]
  ]
}

/** Rows below a title, the bad ones of them marked. @param head rows above the first of `bad` */
function indented (rows: readonly string[], bad: readonly boolean[] = [], head = 1): Line[] {
  return rows.map((text, index) => line(`  ${text}`, bad[index - head] === true ? 'bad' : undefined))
}

/** Rows below the heads of their columns. */
function beside (heads: readonly [string, string], rows: ReadonlyArray<readonly string[]>): Line[] {
  return indented(columns([['', ...heads], ...rows.map((row) => [...row])]))
}

/** What came of the advice. */
function trialOf (record: DrillRecord, { variables, untried, failure, record: tried }: Trial, width: number): Line[] {
  const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  return [
    line(''),
    line('the advice, tried', 'strong'),
    ...wrapped('  ', given.join(' ') || 'No variable sets what is advised: nothing was tried.', width),
    ...untried.length === 0 ? [] : wrapped('  ', `Not tried, for no variable sets it: ${untried.join(', ')}.`, width),
    ...failure === undefined ? [] : wrapped('  ', `With it: ${failure}`, width),
    ...tried === undefined ? [] : beside(['as it is', 'with the advice'], sideBySide(record, tried))
  ]
}

/** Text in lines of this width; the first one begins with the mark, the others are indented as far. */
export function wrapped (mark: string, text: string, width: number): Line[] {
  const lines: string[] = []
  let current = mark
  let isFresh = true
  for (const word of printable(text).split(' ')) {
    const joined = isFresh ? current + word : `${current} ${word}`
    if (isFresh || textWidth(joined) <= width) current = joined
    else {
      lines.push(current)
      current = ' '.repeat(mark.length) + word
    }
    isFresh = false
  }
  return [...lines, current].map((one) => line(one))
}

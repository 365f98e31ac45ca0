import type { ReplicaRecord, RunRecord } from '../../../drill/index.ts'
import { duration } from '../../../status/words.ts'
import { markup } from './markup.ts'
import type { Markup } from './markup.ts'
import { ending, milliseconds } from './words.ts'

const width = 1000
/** Phases that are drawn, each with how high its bar is of 24, so that they are told without colour. */
const heights: Readonly<Record<string, number>> = {
  starting: 6, running: 24, announcing: 18, closing: 24, draining: 12
}

/** A moment of a run as a place on its time line, and never beyond it. */
function scaleOf ({ begunAt, endedAt }: RunRecord): (at: number) => number {
  const length = Math.max(1, endedAt - begunAt)
  return (at) => Math.round(Math.min(1, Math.max(0, (at - begunAt) / length)) * width)
}

const sample = (inner: Markup, name: string): Markup =>
  markup`<span><svg viewBox="0 0 24 24" aria-hidden="true">${inner}</svg>${name}</span>`

/** What the shapes of the time line mean. */
export function legend (): Markup {
  return markup`<p class="legend mute">${Object.keys(heights).map((phase) => sample(bar(phase, 0, 24), phase))}${
    sample(markup`<path class="out" d="M12 0V24"/>`, 'no new connections')}${
    sample(markup`<path class="loss" d="M12 0V24"/>`, 'a lost request')}</p>`
}

function bar (phase: string, from: number, to: number): Markup {
  const known = heights[phase] === undefined ? 'running' : phase
  const height = heights[known] ?? 24
  return markup`<rect class="${known}" x="${from}" y="${24 - height}" width="${Math.max(1, to - from)}" height="${
    height}"/>`
}

const lane = (name: string, inner: Markup[], text: string): Markup =>
  markup`<div class="lane"><strong>${name}</strong>
<svg class="bar" viewBox="0 0 ${width} 24" preserveAspectRatio="none" aria-hidden="true">${inner}</svg>
<span class="mute">${text}</span></div>\n`

/** All replicas of a run over its time, with what was lost on each. */
export function timeLine (run: RunRecord, grace: number): Markup {
  const x = scaleOf(run)
  const ticks = (name: string | undefined): Markup => {
    const places = new Set(run.losses.filter(({ replica }) => replica === name).map(({ failedAt }) => x(failedAt)))
    const marks = [...places].map((at) => `M${at} 0V24`)
    return marks.length === 0 ? markup`` : markup`<path class="loss" d="${marks.join('')}"/>`
  }
  const nobody = run.losses.filter(({ replica }) => replica === undefined).length
  return markup`${run.replicas.map((replica) => lane(
    replica.name,
    [
      ...spansOf(replica, run).map(({ phase, from, to }) => bar(phase, x(from), x(to))),
      ...replica.removedAt === undefined ? [] : [markup`<path class="out" d="M${x(replica.removedAt)} 0V24"/>`],
      ticks(replica.name)
    ],
    wordsOf(replica, run, grace)
  ))}${nobody === 0 ? [] : lane('no replica', [ticks(undefined)], `${nobody} lost`)}
<div class="axis" aria-hidden="true">${[0, 0.25, 0.5, 0.75, 1].map((share) =>
  markup`<span>${duration((run.endedAt - run.begunAt) * share)}</span>`)}</div>`
}

interface Span { phase: string, from: number, to: number }

function spansOf ({ history }: ReplicaRecord, { endedAt }: RunRecord): Span[] {
  return history.flatMap(({ phase, at }, index) =>
    phase === 'terminated' ? [] : [{ phase, from: at, to: history[index + 1]?.at ?? endedAt }])
}

/** The lane in words, for who cannot see it. */
function wordsOf (replica: ReplicaRecord, run: RunRecord, grace: number): string {
  const phases = spansOf(replica, run).map(({ phase, from, to }) =>
    `${phase} ${duration(from - run.begunAt)} to ${duration(to - run.begunAt)}`)
  const lost = run.losses.filter((loss) => loss.replica === replica.name).length
  return [...phases, ending(replica, grace), ...lost === 0 ? [] : [`${lost} lost`]].join(' · ')
}

const decade = (value: number): number => Math.log10(Math.max(0.01, value))

/** Latency by the second, on a logarithmic scale, with the update as a ground. */
export function latencyChart (run: RunRecord): Markup {
  const { latency: { series }, replicas } = run
  const signals = replicas.flatMap(({ signalledAt }) => signalledAt ?? [])
  const ends = replicas.flatMap(({ departure, signalledAt = 0 }) =>
    departure === undefined ? [] : [signalledAt + departure.took])
  if (series.length === 0) return markup`<p class="mute">No request was answered.</p>`
  const x = scaleOf(run)
  const least = Math.floor(decade(Math.min(...series.map(({ p50 }) => p50))))
  const most = Math.max(least + 1, Math.ceil(decade(Math.max(...series.map(({ max }) => max)))))
  const y = (value: number): number => Math.round((most - decade(value)) / (most - least) * 200)
  const curve = (name: 'p50' | 'p99' | 'max'): Markup => markup`<path class="${name}" d="${series.map((one, index) =>
    `${index === 0 ? 'M' : 'L'}${x(one.at + 500)} ${y(one[name])}`).join('')}"/>`
  const [from, to] = signals.length === 0 ? [0, 0] : [x(Math.min(...signals)), x(Math.max(...ends, ...signals))]
  const decades = Array.from({ length: most - least + 1 }, (_, index) => 10 ** (most - index))
  return markup`<p class="legend mute">${(['p50', 'p99', 'max'] as const).map((name) => markup`<span>
<svg viewBox="0 0 24 24" aria-hidden="true"><path class="${name}" d="M0 12H24"/></svg>${name}</span>`)}
<span>The longest answer took ${milliseconds(run.latency.max)} ms.</span></p>
<div class="chart" aria-hidden="true"><ol>${decades.map((value) => markup`<li>${duration(value)}</li>`)}</ol>
<svg class="plot" viewBox="0 0 ${width} 200" preserveAspectRatio="none"><rect x="${from}" y="0" width="${
  to - from}" height="200"/>${[curve('max'), curve('p99'), curve('p50')]}</svg></div>`
}

// The figures as Markdown.
import { head, row } from '../support.js'
import { quantile } from './statistics.js'

const seconds = ms => `${(ms / 1000).toFixed(1)} s`
const long = ms => ms < 120_000 ? seconds(ms) : `${Math.round(ms / 60_000)} min`
const whole = number => Math.round(number).toLocaleString('en-US')

/** A number to two digits. */
const short = number => number >= 100 ? whole(number) : number === 0 ? '0' : String(Number(number.toPrecision(2)))

const losses = ({ value, low, high }) => `${short(value)} (${short(low)} to ${short(high)})`

export const fleetHead = head([
  'fleet', 'ends simulated', 'lost', 'lost per million', 'phase 1, median', 'SIGTERM to exit, median', 'longest',
  'update', 'new connections per second, peak', 'one wave', 'on a new replica', 'connections held, first and newest'
])

export function fleetRow ({ name }, figures) {
  const kinds = Object.entries(figures.byKind).filter(([, count]) => count > 0)
  return row([
    name, figures.endings,
    kinds.map(([kind, count]) => `${count} ${kind}`).join(', ') || 0,
    losses(figures.perMillion), seconds(figures.phase1), seconds(figures.took), seconds(figures.longest),
    long(figures.length), whole(figures.peak), whole(figures.wave), short(figures.newestPeak),
    `${figures.held.first.toFixed(1)} and ${figures.held.newest.toFixed(1)}`
  ])
}

/**
 * The curve of a default as a table: a row for each fleet, a column for each value.
 *
 * @param lines each with the `fleet` and its `figures` by values
 */
export function sweepTable ({ name, unit, usual, values, isPeak }, lines) {
  const titles = values.map((value) => {
    const text = `${value}${unit && ` ${unit}`}`
    return value === usual ? `**${text}**` : text
  })
  const cell = figures => `${isPeak ? `${Math.round(figures.peakShare * 100)} %` : losses(figures.perMillion)}; `
    + seconds(figures.took)
  const rows = lines.map(({ fleet, figures }) => row([fleet.name, ...figures.map(cell)]))
  return [head([name, ...titles]), ...rows].join('\n')
}

export const soakHead = head([
  'removal', 'rate', 'updates', 'requests', 'lost', 'phase 1, median', 'SIGTERM to exit, median',
  'medians of as many ends', 'longest', 'phase 1 ended by'
])

/** @param results of the updates @param size ends of one measured series, whose median has an error */
export function soakRow ({ name, rate }, results, size) {
  const took = results.flatMap(result => result.took)
  const ends = {}
  for (const { phases, evidence } of results) {
    for (const [index, { endedBy }] of phases.entries()) {
      const key = `${endedBy}, evidence ${evidence[index]}`
      ends[key] = (ends[key] ?? 0) + 1
    }
  }
  const medians = []
  for (let from = 0; from + size <= took.length; from += size) {
    medians.push(quantile(took.slice(from, from + size), 0.5))
  }
  const sum = pick => results.reduce((all, result) => all + pick(result), 0)
  return row([
    name, `${rate}/s`, results.length, sum(({ requests }) => requests), sum(({ lost }) => lost),
    seconds(quantile(results.flatMap(({ phases }) => phases.map(({ duration }) => duration)), 0.5)),
    seconds(quantile(took, 0.5)), `${seconds(Math.min(...medians))} to ${seconds(Math.max(...medians))}`,
    seconds(Math.max(...took)),
    Object.entries(ends).map(([key, count]) => `${count} x ${key}`).join('; ')
  ])
}

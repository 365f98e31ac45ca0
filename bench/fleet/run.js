// Runs what was asked for, and prints it.
import { writeFileSync } from 'node:fs'
import { series, soakOnce } from './soak.js'
import { frontier } from './svg.js'
import { fleetHead, fleetRow, soakHead, soakRow, sweepTable } from './tables.js'
import { simulate } from './update.js'

/** How many times the measured updates of the soak are simulated. */
const soaks = 8

/**
 * @param share of the ends that are simulated
 * @param images the folder for the curves; undefined: they are not drawn
 */
export async function run ({ parts, share, images, seed, fleets, sweeps }) {
  const endingsOf = endings => Math.max(1, Math.round(endings * share))
  if (parts.includes('soak')) await runSoak(Math.max(1, Math.round(soaks * share)), seed)
  if (parts.includes('fleets')) {
    console.log(`\n${fleetHead}`)
    for (const fleet of fleets) {
      console.log(fleetRow(fleet, await simulate(fleet, { endings: endingsOf(fleet.endings), seed })))
    }
  }
  if (!parts.includes('sweeps')) return
  for (const sweep of sweeps) {
    const svg = frontier(await curveOf(sweep, endingsOf(sweep.endings), seed))
    if (images !== undefined) writeFileSync(`${images}${sweep.file}.svg`, svg)
  }
}

async function runSoak (times, seed) {
  console.log(`\n${soakHead}`)
  for (const one of series) {
    const results = []
    for (let index = 0; index < one.updates * times; index++) {
      results.push(await soakOnce(one, seed * 100_003 + index))
    }
    console.log(soakRow(one, results, one.updates * 3))
  }
}

/** Simulates each value of a default, prints the table, and answers the curve. */
async function curveOf (sweep, endings, seed) {
  const lines = []
  for (const fleet of sweep.fleets) {
    const figures = []
    for (const value of sweep.values) {
      figures.push(await simulate({ ...fleet, options: sweep.options(value) }, { endings, seed }))
    }
    lines.push({ fleet, figures })
  }
  console.log(`\n${sweepTable(sweep, lines)}`)
  return {
    title: `${sweep.name}: the large point is the default`,
    x: 'SIGTERM to exit, median, in seconds',
    y: sweep.isPeak ? 'busiest second, % of those who go' : 'requests lost per million',
    isLog: !sweep.isPeak,
    lines: lines.map(({ fleet: { name }, figures }) => ({
      name, points: figures.map((of, index) => pointOf(sweep, of, index))
    }))
  }
}

function pointOf ({ values, unit, usual, isPeak }, { took, peakShare, perMillion }, index) {
  const value = values[index]
  return {
    x: took / 1000,
    y: isPeak ? peakShare * 100 : perMillion.value,
    label: `${value}${unit && ` ${unit}`}`,
    isUsual: value === usual
  }
}

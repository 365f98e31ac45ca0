// The fleets that are simulated. Numbers are those of the whole fleet; times are milliseconds.
import { lags } from './lags.js'

const presets = {
  alb: { gracePeriod: 60_000, announce: { min: 15_000, blind: 30_000 } },
  nlb: { gracePeriod: 180_000, announce: { min: 45_000, blind: 60_000, max: 130_000 } }
}
const one = { nodes: 1, ...lags.one }
const hundred = { nodes: 100, ...lags.hundred }
const usual = { replicas: 100, keepAlive: 5000, fresh: 500, front: hundred }

/**
 * `keepAlive` clients keep one connection each, and send after `think` on average; `fresh` requests per second have a
 * connection of their own; `endings` is how many replicas are ended for the figures.
 */
export const fleets = [
  { name: '10 replicas, 1 node', replicas: 10, keepAlive: 100, fresh: 20, front: one, endings: 200 },
  { name: '100 replicas, 100 nodes', ...usual, endings: 100 },
  { name: 'the same, bursts', ...usual, pattern: 'bursty', endings: 100 },
  { name: 'the same, over a day', ...usual, pattern: 'diurnal', endings: 100 },
  { name: 'the same, clients hang up after 4 s', ...usual, think: 8000, hangUp: 4000, endings: 100 },
  { name: 'the same, clients never hang up', ...usual, think: 8000, endings: 100 },
  {
    name: '1,000 replicas, 1,000 nodes (AWS)',
    replicas: 1000, keepAlive: 100_000, fresh: 5000, front: { nodes: 1000, ...lags.thousands }, endings: 60
  },
  {
    name: '10,000 replicas, 5,000 nodes (AWS)',
    replicas: 10_000, keepAlive: 1_000_000, fresh: 50_000, front: { nodes: 5000, ...lags.thousands }, endings: 60
  },
  {
    name: '10,000 replicas, 5,000 nodes (GCP)',
    replicas: 10_000, keepAlive: 1_000_000, fresh: 50_000, front: { nodes: 5000, ...lags.thousandsSlow }, endings: 60
  },
  {
    name: '10 replicas, 100,000 clients',
    replicas: 10, keepAlive: 100_000, think: 10_000, fresh: 100, front: one, endings: 3
  },
  {
    name: '10 replicas, 1,000,000 WebSockets',
    replicas: 10, webSockets: 1_000_000, fresh: 100, front: one, endings: 1
  },
  { name: 'balancer, 2 s', ...usual, front: { removal: [2000, 2000] }, endings: 60 },
  {
    name: 'balancer, 10 s, preset alb',
    ...usual, front: { removal: [10_000, 10_000] }, options: presets.alb, endings: 60
  },
  {
    name: 'balancer, 120 s, preset nlb',
    ...usual, front: { removal: [120_000, 120_000] }, options: presets.nlb, endings: 12
  },
  { name: 'balancer, 120 s, defaults', ...usual, front: { removal: [120_000, 120_000] }, endings: 6 },
  {
    name: 'thin traffic, balancer, 2 to 16 s',
    replicas: 10, fresh: 3, front: { removal: [2000, 16_000] }, endings: 200
  },
  {
    name: '100 replicas, 100 nodes, no announcement',
    ...usual, options: { announce: { min: 0, blind: 0, quiet: 0, max: 0, shed: 'off' } }, endings: 40
  }
]

const late = { removal: [2000, 16_000] }
const some = { replicas: 100, keepAlive: 2000, fresh: 500 }

/** What the evidence is swept over. */
const underEvidence = [
  { name: 'kube-proxy, 100 nodes', ...some, front: hundred },
  { name: 'balancer, 2 to 16 s', ...some, front: late },
  { name: 'the same, bursts', ...some, front: late, pattern: 'bursty' }
]

/** Where so much comes that the shortest silence decides, and not the rate. */
const underQuiet = underEvidence.map(fleet => ({ ...fleet, fresh: 5000 }))

/** One node hears soon, so that phase 1 is as long as its floor. */
const soon = { replicas: 100, fresh: 500, front: one }

/**
 * Which defaults are swept. `cost` and `gain` are names of figures; `options` makes the plugin's options of a value.
 * The value that stands for the default is `usual`.
 */
export const sweeps = [
  {
    name: 'announce.min', file: 'fleet-min', unit: 's', usual: 5, values: [0, 1, 2, 3, 5, 7, 10, 15],
    fleets: underEvidence, endings: 80, options: value => ({ announce: { min: value * 1000 } })
  },
  {
    name: 'announce.quiet', file: 'fleet-quiet', unit: 's', usual: 1, values: [0.1, 0.25, 0.5, 1, 2, 4],
    fleets: underQuiet, endings: 80, options: value => ({ announce: { quiet: value * 1000 } })
  },
  {
    name: 'arrivals that must fail to come (7 / λ)', file: 'fleet-evidence', unit: '', usual: 7,
    values: [1, 2, 3, 5, 7, 10, 15],
    fleets: underEvidence, endings: 80, options: value => ({ evidence: value })
  },
  {
    name: 'ramp of Connection: close', file: 'fleet-ramp', unit: 's', usual: 5, values: [0, 1, 2, 3.5, 5, 7.5, 10],
    fleets: [
      { name: 'a request every 0.5 s', ...soon, keepAlive: 20_000, think: 500 },
      { name: 'a request every 4 s', ...soon, keepAlive: 50_000, think: 4000 }
    ],
    endings: 25, isPeak: true,
    options: value => value === 0 ? { announce: { shed: 'immediate' } } : { ramp: value * 1000 }
  },
  {
    name: 'drain.spread', file: 'fleet-spread', unit: 's', usual: 5, values: [0, 0.5, 1, 2, 3.5, 5, 7],
    fleets: [
      { name: '5,000 WebSockets a replica', ...soon, webSockets: 500_000 },
      { name: '500 WebSockets a replica', ...soon, webSockets: 50_000 }
    ],
    endings: 6, isPeak: true,
    options: value => value === 5 ? {} : { drain: { spread: value * 1000 } }
  }
]

import type { DrillRecord, ReplicaRecord, RunRecord } from '../../../drill/index.ts'
import { counted } from '../../../util/text.ts'
import { compareWith, rowsOf } from './comparison.ts'
import { markup } from './markup.ts'
import type { Markup } from './markup.ts'
import type { Compared, DrillReport } from './result.ts'
import {
  ending, groupLosses, isPassedRun, logLine, lossOf, momentOf, outcome, podNotes, reportOf, saving, spanOf
} from './words.ts'

/** Losses that a failure names. */
const mostNamed = 20

const seconds = (milliseconds: number): string => (Math.max(0, milliseconds) / 1000).toFixed(3)
const head = '<?xml version="1.0" encoding="UTF-8"?>\n'

/**
 * The result as JUnit XML: a suite for each run, in it a case for the run and for each of its replicas. It has failures
 * where the drill exits with 1: another drill, with which it is compared, is a suite without a case.
 */
export function junitOf ({ record, advice, compared }: DrillReport): string {
  const suites = record.runs.map((run, index) => suiteOf(run, index, record))
  const all = suites.reduce((sum, { cases }) => sum + cases, 0)
  const failed = suites.reduce((sum, { failures }) => sum + failures, 0)
  const time = record.runs.reduce((sum, { begunAt, endedAt }) => sum + endedAt - begunAt, 0)
  const told = advice.map((one) => `${one.action}\n  ${one.because} (${saving(one)})\n`)
  const last = told.length === 0 ? '' : markup`<testsuite name="advice" tests="0" failures="0" errors="0"><system-out>${
    told.join('')}</system-out></testsuite>\n`
  return head + markup`<testsuites name="fastify-graceful drill" tests="${all}" failures="${failed}" errors="0" time="${
    seconds(time)}">\n${suites.map(({ xml }) => xml)}${last}${
    compared === undefined ? '' : comparisonOf(compared, record)}</testsuites>\n`.text
}

function comparisonOf (compared: Compared, record: DrillRecord): Markup {
  const { name, subject, before, now } = compareWith(compared, record)
  const lines = rowsOf(before, now).map(([what, one, other]) => `${what}: ${one} before, ${other} now\n`)
  return markup`<testsuite name="compared with ${name}" tests="0" failures="0" errors="0"><system-out>${
    subject}\n${lines}</system-out></testsuite>\n`
}

/** What a drill that could not be run is for whoever reads JUnit XML. */
export function junitOfFailure (service: string, message: string): string {
  return head + markup`<testsuites name="fastify-graceful drill" tests="1" failures="0" errors="1">
<testsuite name="${service}" tests="1" failures="0" errors="1">
<testcase name="the service starts" classname="${service}"><error message="${message.split('\n')[0] ?? ''}">${
  message}</error></testcase>
</testsuite>
</testsuites>\n`.text
}

interface Suite { xml: Markup, cases: number, failures: number }

function suiteOf (run: RunRecord, index: number, record: DrillRecord): Suite {
  const { service, front, grace, rate, fault = 'none' } = record
  // What a fault has cost is judged by what is expected of it.
  const isPassed = run.fault !== undefined || isPassedRun(run, record)
  const verdicts = verdictsOf(run, record)
  const cases = [...verdicts, ...run.replicas.map((replica) => caseOf(replica, run, isPassed, record))]
  const failures = cases.filter(({ isFailed }) => isFailed).length
  const properties = Object.entries({ front, fault, grace, rate, requests: run.requests, lost: run.lost })
  const xml = markup`<testsuite name="${service}, run ${index + 1}" tests="${cases.length}" failures="${
    failures}" errors="0" skipped="0" time="${seconds(run.endedAt - run.begunAt)}" timestamp="${
    new Date(run.begunAt).toISOString().slice(0, 19)}">
<properties>${properties.map(([name, value]) => markup`<property name="${name}" value="${value}"/>`)}</properties>
${cases.map((one) => one.xml)}</testsuite>\n`
  return { xml, cases: cases.length, failures }
}

interface Case { xml: Markup, isFailed: boolean }

/** What is judged of a run: what it has lost, or what is expected of its fault. */
function verdictsOf (run: RunRecord, record: DrillRecord): Case[] {
  const caseFor = (name: string, failure: Markup | undefined): Case => ({
    isFailed: failure !== undefined,
    xml: markup`<testcase name="${name}" classname="${record.service}" time="${
      seconds(run.endedAt - run.loadedAt)}">${failure ?? ''}</testcase>\n`
  })
  if (run.fault !== undefined) {
    return run.fault.expectations.map(({ expected, seen, met }) =>
      caseFor(expected, met ? undefined : markup`<failure type="expectation" message="${seen}"/>`))
  }
  return [caseFor(`at most ${counted(record.maxLost, 'request')} lost`,
    isPassedRun(run, record) ? undefined : failureOf(outcome({ ...record, runs: [run] }), run.losses))]
}

function caseOf (
  replica: ReplicaRecord, { losses }: RunRecord, isPassed: boolean, { service, grace }: DrillRecord
): Case {
  const own = losses.filter((loss) => loss.replica === replica.name)
  const isFailed = !isPassed && own.length > 0
  const said = [ending(replica, grace), reportOf(replica), ...podNotes(replica), ...replica.log.map(logLine)]
  const failure = isFailed ? failureOf(`${counted(own.length, 'request')} lost`, own) : ''
  return {
    isFailed,
    xml: markup`<testcase name="replica ${replica.name}" classname="${service}" time="${
      seconds(replica.departure?.took ?? 0)}">${failure}<system-out>${
      said.filter((text) => text !== '').join('\n')}</system-out></testcase>\n`
  }
}

function failureOf (message: string, losses: RunRecord['losses']): Markup {
  const groups = groupLosses(losses).map((group) =>
    `${group.losses.length} ${group.kind}, ${group.replica}, ${group.phase}, ${spanOf(group.losses)}`)
  const first = losses.slice(0, mostNamed).map((loss) => `${momentOf(loss)} ${loss.replica ?? ''} ${lossOf(loss)}`)
  return markup`<failure type="lost" message="${message}">${[...groups, '', ...first].join('\n')}</failure>`
}

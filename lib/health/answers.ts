import type { AnswerPlainly, PlainRequest } from '../server/plain.ts'
import type { CheckVerdict, Verdict } from './health.ts'
import type { CheckKind } from './options.ts'

/** The probe routes and what they ask, named as Kubernetes' own servers name them. */
export const probes: Readonly<Record<'livez' | 'readyz' | 'startupz', CheckKind>> = {
  livez: 'liveness',
  readyz: 'readiness',
  startupz: 'startup'
}

/** What a probe was answered: which probe it was, what it asks, and whether that is well. */
export interface ProbeAnswer { probe: string, kind: CheckKind, ok: boolean }

/** What stands in for the detail of an error, as in Kubernetes' own servers. */
const withheld = 'reason withheld'

/** How a verdict is written. */
export interface FormatOptions {
  /** The probe's name, as the last line shows it: `readyz`. */
  probe: string
  /** Lists the checks also where all is well. */
  verbose: boolean
  /** Shows why checks fail. */
  expose: boolean
}

/** A verdict in the form of Kubernetes' own servers: `ok`, or one line per check. Failing checks are always listed. */
export function formatText (verdict: Verdict, options: FormatOptions): string {
  if (verdict.ok && !options.verbose) return 'ok'
  return [
    ...verdict.checks.map((check) => textLine(check, options.expose)),
    ...verdict.warnings.map((warning) => `warn: ${warning}`),
    `${options.probe} check ${verdict.ok ? 'passed' : 'failed'}`,
    ''
  ].join('\n')
}

/** Whether a verdict is listed in text: where that was asked for, and where the one check that is asked fails. */
export function isVerbose (verdict: Verdict, only: string | undefined, query: URLSearchParams): boolean {
  return query.has('verbose') || (only !== undefined && verdict.checks.some(({ ok }) => !ok))
}

function textLine ({ name, ok, critical, excluded, output }: CheckVerdict, expose: boolean): string {
  if (excluded) return `[+]${name} excluded: ok`
  if (ok) return `[+]${name} ok`
  // A reason of several lines could forge the lines of other checks.
  const reason = expose ? (output || 'no reason given').replaceAll(/\s+/g, ' ') : withheld
  return `${critical ? '[-]' : '[!]'}${name} ${critical ? 'failed' : 'degraded'}: ${reason}`
}

/** A verdict after draft-inadarei-api-health-check-06 (`application/health+json`). */
export function formatJson (verdict: Verdict, expose: boolean): string {
  return JSON.stringify({
    status: verdict.ok ? verdict.checks.every(({ ok }) => ok) ? 'pass' : 'warn' : 'fail',
    checks: Object.fromEntries(verdict.checks.map((check) => [check.name, [jsonCheck(check, expose)]])),
    ...(verdict.warnings.length > 0 && { notes: verdict.warnings })
  })
}

function jsonCheck (check: CheckVerdict, expose: boolean): object {
  const status = check.ok ? 'pass' : check.critical ? 'fail' : 'warn'
  if (check.excluded) return { status, excluded: true }
  return {
    status,
    observedValue: Math.round(check.duration * 1000) / 1000,
    observedUnit: 'ms',
    time: new Date(check.time).toISOString(),
    ...(!check.ok && { output: expose ? check.output : withheld })
  }
}

/** The media types a probe can be answered in. */
const mediaTypes = ['text/plain', 'application/json', 'application/health+json'] as const

/** One of the {@link mediaTypes}. */
export type MediaType = (typeof mediaTypes)[number]

/** The type that an `Accept` header prefers (RFC 9110, 12.5.1); text where it names none. */
export function negotiate (accept: string | undefined): MediaType {
  let best: MediaType = 'text/plain'
  let bestQuality = 0
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const known = mediaTypes.find((candidate) => candidate === type)
    const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    if (known !== undefined && quality > bestQuality) {
      best = known
      bestQuality = quality
    }
  }
  return best
}

/** Where plain probes are asked for, and what answers them. */
export interface PlainProbes {
  prefix: string
  /** Paths that are something else's. */
  except?: readonly string[]
  expose: boolean
  /** The verdict over all checks of a kind; undefined where something has to be waited for. */
  verdict: (kind: CheckKind) => Verdict | undefined
  /** An answer has gone out. */
  sent: (answer: ProbeAnswer, request: PlainRequest, address: string | undefined) => void
}

/** Answers probes that ask for all checks of a kind, in text, as the routes do. */
export function plainProbes ({ prefix, except = [], expose, verdict, sent }: PlainProbes): AnswerPlainly {
  const kinds = new Map(Object.entries(probes).map(([probe, kind]) => [`${prefix}/${probe}`, { probe, kind }]))
  for (const path of except) kinds.delete(path)
  return (request, address) => {
    const asked = kinds.get(request.path)
    if (asked === undefined || negotiate(request.accept) !== 'text/plain') return undefined
    const { probe, kind } = asked
    const told = verdict(kind)
    // No check at all is an answer of its own.
    if (told === undefined || told.checks.length === 0) return undefined
    const { ok } = told
    return {
      code: ok ? 200 : 503,
      body: formatText(told, { probe, verbose: false, expose }),
      sent: () => sent({ probe, kind, ok }, request, address)
    }
  }
}

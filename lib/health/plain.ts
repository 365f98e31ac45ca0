import type { AnswerPlainly, PlainRequest } from '../server/plain.ts'
import { formatText, negotiate, probes } from './format.ts'
import type { Verdict } from './health.ts'
import type { CheckKind } from './options.ts'
import type { ProbeAnswer } from './probes.ts'

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

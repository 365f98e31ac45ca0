import { duration } from '../../../status/words.ts'
import { counted } from '../../../util/counted.ts'
import type { Summary } from '../../report/summary.ts'
import type { GivenAdvice } from '../output/result.ts'

/** What the logs of a rollout advise, as a drill does: which loss each would have saved nobody can say of a cluster. */
export function adviceOf ({ advice: { values, others }, reports }: Summary, lost: number): GivenAdvice[] {
  const ofReports = { cause: 'report' as const, saves: undefined }
  return [
    ...values.map(({ option, value, variable, chart, isEnough, causes }) => ({
      ...ofReports,
      action: `Set ${option} to ${isEnough ? '' : 'at least '}${duration(value)}`,
      because: causes.map((cause) => `${counted(cause.reports, 'end')}: ${cause.text}`).join('; '),
      settings: [{ option, value, variable, chart }]
    })),
    ...others.map(({ text, reports: ends }) => ({
      ...ofReports, action: text, because: counted(ends, 'end'), settings: []
    })),
    ...lost === 0 || reports > 0 ? [] : [{
      cause: 'plugin' as const, saves: undefined, settings: [],
      action: 'Register the plugin, before everything else, and log at level info: await app.register(graceful)',
      because: 'no pod has left a report in its log'
    }]
  ]
}

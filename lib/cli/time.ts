/** What a time is, as messages say it. */
export const aTime = 'a time with its unit, such as 30s, 500ms or 2m'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * `30s`, `500ms`, `1.5m` in milliseconds; undefined for anything else. A number without a unit would be seconds to one
 * reader and milliseconds to the other.
 */
export function parseTime (text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * (units[unit] ?? 1)
}

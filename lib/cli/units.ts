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

/** What an amount of memory is, as messages say it. */
export const anAmount = 'an amount of memory with its unit, such as 512MiB, 1.5GiB or 500MB'

/**
 * `512MiB`, `512Mi`, `1.5GiB`, `500MB` in bytes; undefined for anything else. `512M` is 512 x 1024 x 1024 to Docker and
 * systemd, and 512 million to Kubernetes.
 */
export function parseBytes (text: string): number | undefined {
  const [, amount, prefix = '', binary = ''] = /^(\d+(?:\.\d+)?)([KMG])(iB?|B)$/.exec(text) ?? []
  if (amount === undefined) return undefined
  const power = 'KMG'.indexOf(prefix) + 1
  return Math.round(Number(amount) * (binary === 'B' ? 1000 : 1024) ** power)
}

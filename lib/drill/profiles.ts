import { defaults } from './defaults.ts'

/** A span of milliseconds, from which each time is drawn. */
export type Span = readonly [least: number, most: number]

/** One kind of request, and how those who send it behave. */
export interface RequestProfile {
  name: string
  /** Its share of all requests, relative to the other profiles. @default defaults.weight */
  weight?: number
  path: string | (() => string)
  /** @default 'GET' */
  method?: string
  headers?: Readonly<Record<string, string>>
  body?: Buffer
  /** Milliseconds between the two halves of the body; absent: it is sent in one piece. */
  bodyPause?: Span
  /** A user thinks for up to this many milliseconds between two requests of one connection. */
  think?: number
  /** A user sends up to this many requests back to back. */
  burst?: number
  /**
   * `false`: each request has a connection of its own. Half of them say `Connection: close`, half hang up after the
   * answer.
   * @default true
   */
  keepAlive?: boolean
  /** Profiles of the same group share their users, so that one connection carries requests of each. */
  group?: string
  /** The right status, or the bounds of right ones. @default defaults.status */
  status?: number | Span
  /** Checks a complete body; where it throws, the answer is wrong. */
  isRight?: (body: Buffer) => boolean
}

/** A number drawn evenly: at least the first, less than the second. */
export function drawn ([least, most]: Span): number {
  return least + Math.random() * (most - least)
}

/** Draws one of the profiles by their weights. @param share at least 0, less than 1 */
export function choose<T extends { weight?: number }> (profiles: readonly T[], share: number = Math.random()): T {
  let rest = share * profiles.reduce((sum, { weight = defaults.weight }) => sum + weight, 0)
  const chosen = profiles.find(({ weight = defaults.weight }) => (rest -= weight) < 0) ?? profiles.at(-1)
  if (chosen === undefined) throw new Error('a load needs at least one profile')
  return chosen
}

/** Whether a text can stand in the first line of a request: Node refuses spaces and what is no ASCII. */
export function isPath (text: string): boolean {
  return /^\/[!-~]*$/.test(text)
}

/** Whether a status is the right one. */
export function isExpected (status: number, { status: expected }: Pick<RequestProfile, 'status'>): boolean {
  const [least, most] = typeof expected === 'number' ? [expected, expected] : expected ?? defaults.status
  return status >= least && status <= most
}

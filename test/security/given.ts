import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../../lib/environment.ts'
import { readOptions } from '../../lib/options.ts'
import type { GracefulOptions } from '../../lib/options.ts'
import type { Settings } from '../../lib/settings.ts'

const none: Environment = {
  recognised: [],
  env: {},
  stateDirectory: undefined,
  supervised: false,
  inProduction: false,
  speaksForContainer: false,
  platformatic: undefined,
  foreignPrimary: false,
  siblings: 1,
  options: {}
}

/** Reads options where the environment says nothing. */
export const read = (options: unknown): Settings => readOptions(options as GracefulOptions, none)

/** More than any message should repeat. */
export const long = 'x'.repeat(100_000)

/** What a message of any error is like: it fits on one line, and a terminal survives it. */
export function isFit (message: string, ...parts: string[]): boolean {
  return message.length < 2500 && !/\p{Cc}/u.test(message) && parts.every((part) => message.includes(part))
}

const directory = fileURLToPath(new URL('../..', import.meta.url))

interface Outcome { code: number | null, output: string }

/** Runs Node in the package's folder, to its end. */
export function run (args: string[], env: NodeJS.ProcessEnv): Outcome {
  const { NODE_OPTIONS: _, ...rest } = process.env
  const options = { cwd: directory, env: { ...rest, ...env }, encoding: 'utf8', timeout: 120_000 } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  return { code: status, output: stdout + stderr }
}

import createError from '@fastify/error'
import type { FastifyErrorConstructor } from '@fastify/error'
import { own } from './util/given.ts'
import { shorten } from './util/text.ts'
import { show } from './util/shown.ts'

/**
 * Every error this package throws, keyed by its code. Messages name what was wrong, what was expected and what
 * was given. All of them are mistakes of the programmer or the operator, thrown at the call that made them.
 */
interface Errors {
  /** An option has a wrong type or lies outside its bounds. */
  FST_GRACEFUL_INVALID_OPTION: FastifyErrorConstructor<
    { code: string, statusCode: 500 },
    [string, string, string, string]
  >
  /** An option that does not exist. */
  FST_GRACEFUL_UNKNOWN_OPTION: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string, string]>
  /** The times do not add up to the grace period. */
  FST_GRACEFUL_BUDGET: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string, string, string]>
  /** An environment variable that was read for a default is what its option cannot be. */
  FST_GRACEFUL_INVALID_ENVIRONMENT: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string, string, string]>
  /** An argument of a method of `app.graceful` is wrong. */
  FST_GRACEFUL_INVALID_ARGUMENT: FastifyErrorConstructor<
    { code: string, statusCode: 500 },
    [string, string, string, string]
  >
  /** A participant answered with something that is neither a boolean nor a reason. */
  FST_GRACEFUL_INVALID_ANSWER: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string, string]>
  /** The plugin was registered twice on one application. */
  FST_GRACEFUL_ALREADY_REGISTERED: FastifyErrorConstructor<{ code: string, statusCode: 500 }>
  /** The plugin was registered on an application that is already ready. */
  FST_GRACEFUL_TOO_LATE: FastifyErrorConstructor<{ code: string, statusCode: 500 }>
  /** A move of the state machine that does not exist. */
  FST_GRACEFUL_ILLEGAL_MOVE: FastifyErrorConstructor<{ code: string, statusCode: 409 }, [string, string, string]>
  /** `pressure` was given, and the application registers `@fastify/under-pressure` itself. */
  FST_GRACEFUL_PRESSURE_TWICE: FastifyErrorConstructor<{ code: string, statusCode: 500 }>
  /** A check of this name exists. */
  FST_GRACEFUL_DUPLICATE_CHECK: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string]>
  /** The option `metrics` was given, and `prom-client` cannot be loaded. */
  FST_GRACEFUL_METRICS_CLIENT: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string]>
  /** A supervisor cannot be started in this process. */
  FST_GRACEFUL_SUPERVISOR: FastifyErrorConstructor<{ code: string, statusCode: 500 }, [string, string]>
}

const define = (
  code: string,
  message: string,
  statusCode = 500,
  base: ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor = Error
): FastifyErrorConstructor => createError(code, message, statusCode, base)

/** The errors of the package by their codes; `docs/reference/errors.md` lists them for users. */
export const errors: Errors = {
  FST_GRACEFUL_INVALID_OPTION: define(
    'FST_GRACEFUL_INVALID_OPTION',
    "fastify-graceful: option '%s' must be %s, got %s (%s)",
    500,
    TypeError
  ),
  FST_GRACEFUL_UNKNOWN_OPTION: define(
    'FST_GRACEFUL_UNKNOWN_OPTION',
    'fastify-graceful: unknown option %s, expected one of: %s',
    500,
    TypeError
  ),
  FST_GRACEFUL_BUDGET: define(
    'FST_GRACEFUL_BUDGET',
    "fastify-graceful: option '%s' does not fit into the grace period: expected %s, got %s",
    500,
    RangeError
  ),
  FST_GRACEFUL_INVALID_ENVIRONMENT: define(
    'FST_GRACEFUL_INVALID_ENVIRONMENT',
    "fastify-graceful: environment variable '%s' must be %s, got '%s'",
    500,
    TypeError
  ),
  FST_GRACEFUL_INVALID_ARGUMENT: define(
    'FST_GRACEFUL_INVALID_ARGUMENT',
    'fastify-graceful: %s must be %s, got %s (%s)',
    500,
    TypeError
  ),
  FST_GRACEFUL_INVALID_ANSWER: define(
    'FST_GRACEFUL_INVALID_ANSWER',
    'fastify-graceful: a participant must answer true, false or a reason (non-empty string), got %s (%s)',
    500,
    TypeError
  ),
  FST_GRACEFUL_ALREADY_REGISTERED: define(
    'FST_GRACEFUL_ALREADY_REGISTERED',
    'fastify-graceful is already registered on this application: expected one registration per root '
      + 'instance, got a second one'
  ),
  FST_GRACEFUL_TOO_LATE: define(
    'FST_GRACEFUL_TOO_LATE',
    'fastify-graceful must be registered before the application is ready (first, before everything '
      + 'else), got an application that has already booted'
  ),
  FST_GRACEFUL_ILLEGAL_MOVE: define(
    'FST_GRACEFUL_ILLEGAL_MOVE',
    "fastify-graceful: cannot go from phase '%s' to '%s': %s",
    409
  ),
  FST_GRACEFUL_PRESSURE_TWICE: define(
    'FST_GRACEFUL_PRESSURE_TWICE',
    "fastify-graceful: option 'pressure' registers @fastify/under-pressure, and this application "
      + 'registers it as well: expected one of the two, got both. Remove the option (the registration of '
      + 'the application is found and used), or the registration'
  ),
  FST_GRACEFUL_DUPLICATE_CHECK: define(
    'FST_GRACEFUL_DUPLICATE_CHECK',
    "fastify-graceful: a check named '%s' exists already: expected a unique name"
  ),
  FST_GRACEFUL_METRICS_CLIENT: define(
    'FST_GRACEFUL_METRICS_CLIENT',
    "fastify-graceful: option 'metrics' needs the package prom-client: expected it to be "
      + 'installed (npm install prom-client), got: %s'
  ),
  FST_GRACEFUL_SUPERVISOR: define(
    'FST_GRACEFUL_SUPERVISOR',
    'fastify-graceful: a supervisor cannot be started here: expected %s, got %s'
  )
} as Errors

/** What stands in a message for a value that may hold a secret. */
export const hidden = 'a value that is not shown'

/** How a value is shown that may be, or hold, a secret. */
export function conceal (value: unknown): string {
  return value === undefined || value === null ? String(value) : hidden
}

/** The type of a value as a message names it. */
export function typeName (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** An error for a wrong argument of a public method. */
export function invalidArgument (argument: string, expected: string, given: unknown): Error {
  return new errors.FST_GRACEFUL_INVALID_ARGUMENT(shorten(argument, 200), expected, show(given), typeName(given))
}

/** An error for an option whose value is not what it has to be. */
export function invalidOption (option: string, expected: string, given: unknown): Error {
  return new errors.FST_GRACEFUL_INVALID_OPTION(option, expected, show(given), typeName(given))
}

/** The text of anything that can be thrown. */
export function messageOf (error: unknown): string {
  try {
    if (!(error instanceof Error)) return show(error)
    // Somebody may have put anything there, and whoever reads a message goes on with a text.
    const { message }: { message: unknown } = error
    return typeof message === 'string' ? message : show(message)
  } catch {
    return 'an error that cannot be read'
  }
}

/**
 * Refuses options that do not exist.
 *
 * @param nameOf how a message names one
 * @throws FST_GRACEFUL_UNKNOWN_OPTION
 */
export function refuseUnknownOptions (
  given: readonly string[],
  known: readonly string[],
  nameOf: (name: string) => string = (name) => `'${name}'`
): void {
  const unknown = given.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new errors.FST_GRACEFUL_UNKNOWN_OPTION(nameOf(shorten(unknown)), known.join(', '))
}

/**
 * Reads options once, and refuses what is no object, and keys that do not exist.
 *
 * @param owner whose options they are, as a message names it
 * @returns a copy of what they say themselves
 * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
 */
export function takeOptions<T extends object> (options: T, owner: string, known: readonly string[]): T {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument(`the options of ${owner}`, 'an object', options)
  }
  const taken = own(options)
  refuseUnknownOptions(Object.keys(taken), known, (key) => `'${key}' of ${owner}`)
  return taken
}

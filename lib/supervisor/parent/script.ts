import { accessSync, constants, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { errors, messageOf } from '../../errors.ts'

/**
 * Looks for the service's file once before anything is started: one that is not there would pass
 * for a service that crashes. Each child looks for it anew, in the way that is used here: as given,
 * with an ending that Node knows, or as a directory with an index.
 *
 * @param nameOf how the caller knows the option
 * @throws FST_GRACEFUL_INVALID_OPTION
 */
export function checkScript (script: string, nameOf: (name: string) => string = (name) => name): void {
  const path = resolve(launchDirectory(), script)
  try {
    accessSync(createRequire(join(path, '..', 'x')).resolve(path), constants.R_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'MODULE_NOT_FOUND' ? 'no such file' : messageOf(error)
    throw new errors.FST_GRACEFUL_INVALID_OPTION(
      nameOf('script'),
      'a file that Node can read and run',
      JSON.stringify(path),
      why
    )
  }
}

/** The directory that relative paths begin at, as the shell that started us calls it. */
export function launchDirectory (): string {
  return workingDirectory(process.env['PWD'], process.cwd())
}

/**
 * The directory as the shell that started us calls it: where that is a link to the current release,
 * new children are to start in what it points to by then.
 */
export function workingDirectory (named: string | undefined, actual: string): string {
  if (named === undefined) return actual
  try {
    const [one, other] = [statSync(named), statSync(actual)]
    return one.dev === other.dev && one.ino === other.ino ? named : actual
  } catch {
    return actual
  }
}

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errors } from '../../errors.ts'

/**
 * What each child loads before the service: a file of this package, as its address. It is the one file that is looked
 * for; a bundle of the supervisor does not hold it.
 *
 * @throws FST_GRACEFUL_SUPERVISOR
 */
export function preloadFile (): string {
  // A bundle of CommonJS has no such address.
  const here = import.meta.url as string | undefined
  const path = here?.endsWith('.ts') === true ? '../child/index.ts' : 'supervisor/worker.js'
  const file = here === undefined ? undefined : new URL(path, here)
  if (file === undefined || !exists(file)) {
    const found = `a bundle without that file (${file?.href ?? 'of CommonJS'})`
    throw new errors.FST_GRACEFUL_SUPERVISOR(
      'fastify-graceful/supervisor to be loaded from node_modules, with its file supervisor/worker.js beside it',
      `${found}: leave the package out of the bundle (external: ['fastify-graceful'])`
    )
  }
  return file.href
}

function exists (file: URL): boolean {
  try {
    return existsSync(fileURLToPath(file))
  } catch {
    // No file at all.
    return false
  }
}

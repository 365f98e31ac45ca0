import { createRequire } from 'node:module'

// A source, or a file of the build: both lie one step below the package's root, which `rolldown.config.js` sees to.
const here = import.meta.url

const manifest = createRequire(here)('../package.json') as { version: string }

/** The version of this package. */
export const version: string = manifest.version

/** A program of this package that is started by its file: `path` is below `lib`, without its ending. */
export function programFile (path: string): URL {
  return new URL(`./${path}${here.endsWith('.ts') ? '.ts' : '.js'}`, here)
}

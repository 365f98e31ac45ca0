import { createRequire } from 'node:module'

/** The build puts the version here, see `rolldown.config.js`; a source that runs as it stands has none. */
declare const builtVersion: string | undefined

/** The version of this package. */
export const version: string = typeof builtVersion === 'string'
  ? builtVersion
  : (createRequire(import.meta.url)('../package.json') as { version: string }).version

/** A text that the build has packed, see `rolldown.texts.js`. What unpacks it is loaded with the first one. */
export function unpacked (text: string): string {
  return process.getBuiltinModule('node:zlib').brotliDecompressSync(Buffer.from(text, 'base64')).toString()
}

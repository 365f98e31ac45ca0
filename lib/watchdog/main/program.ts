/** The build puts the thread's code here, see `rolldown.config.js`; a source that runs as it stands has none. */
declare const builtThread: string | undefined

/**
 * What the thread runs: the text of its program, which goes wherever this module goes (into a bundle, an archive, a
 * single executable), or in the sources of this package its file.
 */
export function threadProgram (): { program: string | URL, isText: boolean } {
  return typeof builtThread === 'string'
    ? { program: builtThread, isText: true }
    : { program: new URL('../thread/index.ts', import.meta.url), isText: false }
}

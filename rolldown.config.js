import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { defineConfig, rolldown } from 'rolldown'
import { dts } from 'rolldown-plugin-dts'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
const common = { external: (id) => !/^[./]/.test(id), platform: 'node' }
const named = (names) => Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`]))
/** For a measurement of coverage the code stays as it is, with maps that lead to the sources. */
const isMapped = process.env.BUILD_MAPS === '1'

const mangle = { toplevel: false, keepNames: true }

/**
 * What is published has one statement per line, as it was written, with the names of functions, classes and methods: a
 * stack can be read without a map. Comments, and the names of variables inside functions, are a third of the size.
 */
const readable = {
  comments: isMapped,
  minify: !isMapped && { compress: false, mangle, codegen: { removeWhitespace: false } },
  sourcemap: isMapped
}

/**
 * The program of the watchdog's thread as one text, which the main module carries: nothing is looked for beside it, so
 * that it starts in a bundle, in an archive and in a single executable. It is a script, because no other kind of text
 * can be a thread everywhere. Names stay as they are, for whoever reads a stack of it.
 */
async function threadText () {
  const bundle = await rolldown({ ...common, input: 'lib/watchdog/thread/index.ts' })
  const { output: [{ code }, ...others] } = await bundle.generate({
    format: 'cjs',
    codeSplitting: false,
    comments: false,
    minify: { compress: false, mangle, codegen: { removeWhitespace: true } }
  })
  if (others.length > 0) throw new Error('the thread of the watchdog does not fit into one text')
  return `'use strict'\n${ascii(code)}\n//# sourceURL=fastify-graceful/watchdog/thread.js`
}

/** One sign of two bytes makes V8 keep two for each of the others. */
function ascii (code) {
  return code.replaceAll(/[^\0-\x7F]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The declarations of one way in, in one file. */
const declarations = (name) => ({
  ...common,
  input: `lib/${name}.ts`,
  plugins: [dts({ emitDtsOnly: true, oxc: true, tsconfig: false, sourcemap: false })],
  output: { dir: `dist/${dirname(name)}`, format: 'esm', codeSplitting: false, sourcemap: false }
})

// One file per way in, and what several of them need beside them. All that a request passes stands in one module: V8
// reads what comes from another module anew each time, which costs two percent of a small request (measured with
// bench/cpu.js).
export default defineConfig(async () => [
  {
    ...common,
    input: {
      ...named(['index', 'process/early', 'supervisor/index', 'cli/index']),
      'supervisor/worker': 'lib/supervisor/child/index.ts'
    },
    transform: {
      define: { builtVersion: JSON.stringify(version), builtThread: JSON.stringify(await threadText()) }
    },
    output: {
      dir: 'dist',
      format: 'esm',
      entryFileNames: '[name].js',
      // Not in a folder of their own: lib/supervisor/parent/preload.ts looks for the file of the children.
      chunkFileNames: 'chunk-[name].js',
      ...readable
    }
  },
  ...['index', 'process/early', 'supervisor/index'].map((name) => declarations(name))
])

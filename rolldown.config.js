import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { defineConfig } from 'rolldown'
import { parseAst } from 'rolldown/parseAst'
import { dts } from 'rolldown-plugin-dts'
import { pageText, threadText } from './rolldown.texts.js'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
const common = { external: (id) => !/^[./]/.test(id), platform: 'node' }
const named = (names) => Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`]))
/** For a measurement of coverage the code stays as it is, with maps that lead to the sources. */
const isMapped = process.env.BUILD_MAPS === '1'

/**
 * What is published has one statement per line, as it was written, with the names of functions, classes and methods: a
 * stack can be read without a map. Comments, and the names of variables inside functions, are a third of the size, and
 * indentation is a twentieth.
 */
const readable = {
  comments: isMapped,
  minify: !isMapped && {
    compress: false,
    mangle: { toplevel: false, keepNames: true },
    codegen: { removeWhitespace: false }
  },
  sourcemap: isMapped
}

/** The texts of all templates in a program, and where they stand. */
function templatesOf (code) {
  const found = []
  const look = (node) => {
    if (typeof node !== 'object' || node === null) return
    if (node.type === 'TemplateElement') found.push(node)
    else Object.values(node).forEach(look)
  }
  look(parseAst(code))
  return found
}

/** Takes the indentation away, but for what is text. */
function unindented (code) {
  const texts = templatesOf(code).filter(({ value }) => value.raw.includes('\n'))
  const short = code.replaceAll(/^\t+/gm, (tabs, at) => texts.some(({ start, end }) => start <= at && at <= end) ? tabs : '')
  const words = (program) => JSON.stringify(templatesOf(program).map(({ value }) => value.raw))
  if (words(short) !== words(code)) throw new Error('a text would lose its indentation')
  return short
}

const unindent = {
  name: 'unindent',
  generateBundle (_options, bundle) {
    if (!isMapped) for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk') chunk.code = unindented(chunk.code)
  }
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
      'supervisor/worker': 'lib/supervisor/child/index.ts',
      // For the demo and the benches. It is not published: see package.json.
      'drill/index': 'lib/drill/index.ts'
    },
    plugins: [unindent],
    transform: {
      define: {
        builtVersion: JSON.stringify(version),
        builtThread: JSON.stringify(await threadText()),
        builtPage: JSON.stringify(await pageText())
      }
    },
    // Which file each statement is of says the repository, in a fiftieth less of the package.
    experimental: { attachDebugInfo: 'none' },
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

import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'rolldown'
import { minify } from 'rolldown/experimental'
import { parseAst } from 'rolldown/parseAst'
import { dts } from 'rolldown-plugin-dts'
import { packed, pageText, threadText } from './rolldown.texts.js'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
const common = { external: (id) => !/^[./]/.test(id), platform: 'node' }
const named = (names) => Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`]))
/** For a measurement of coverage the code stays as it is, with maps that lead to the sources. */
const isMapped = process.env.BUILD_MAPS === '1'

/**
 * What is published has a line for each statement of a function, with the names of functions, classes and methods: a stack can be read
 * without a map. Comments, the other white space, and the names of variables are nearly half of the size.
 */
const readable = {
  comments: isMapped,
  minify: !isMapped && {
    compress: { target: 'node20', keepNames: { function: true, class: true } },
    mangle: { toplevel: true, keepNames: true },
    codegen: { removeWhitespace: true }
  },
  sourcemap: isMapped
}

/** Where a statement of a module or a function begins, or a member of a class. */
function statementsOf (code) {
  const found = []
  const look = (node) => {
    if (typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) return node.forEach(look)
    if (['Program', 'ClassBody'].includes(node.type)) found.push(...node.body.map(({ start }) => start))
    if (node.type?.startsWith('Function')) {
      found.push(...node.body.body.map(({ start }) => start))
    }
    Object.values(node).forEach(look)
  }
  look(parseAst(code))
  return found.toSorted((a, b) => a - b)
}

/** Begins a line with each statement. */
function lined (code) {
  const starts = statementsOf(code).filter((start) => start > 0 && code[start - 1] !== '\n')
  return starts.map((start, index) => code.slice(starts[index - 1] ?? 0, start)).join('\n')
    + `\n${code.slice(starts.at(-1) ?? 0)}`
}

/** The chunks that a service loads. The others are of commands that only a person runs: those do without names. */
function loadedByServices (bundle) {
  const loaded = new Set()
  const follow = (name) => {
    if (loaded.has(name) || bundle[name] === undefined) return
    loaded.add(name)
    const { imports, dynamicImports } = bundle[name]
    for (const other of [...imports, ...dynamicImports]) follow(other)
  }
  for (const way of ['index', 'process/early', 'supervisor/index', 'supervisor/worker']) follow(`${way}.js`)
  return loaded
}

const finish = {
  name: 'finish',
  async generateBundle (_options, bundle) {
    if (isMapped) return
    const kept = loadedByServices(bundle)
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue
      chunk.code = kept.has(chunk.fileName)
        ? lined(chunk.code)
        : (await minify(chunk.fileName, chunk.code, short)).code
    }
  }
}

const short = {
  module: true,
  compress: { target: 'node20' },
  mangle: { toplevel: true, keepNames: false },
  codegen: { removeWhitespace: true }
}

const unpacker = fileURLToPath(new URL('lib/build.ts', import.meta.url))

/** Style sheets without the white space that means nothing, packed. */
const styles = {
  name: 'styles',
  transform (code, id) {
    if (!/[\\/]style\.ts$/.test(id)) return undefined
    const style = /(?<=`)[^`]*(?=`)/.exec(code)[0]
      .trim().replaceAll(/\s+/g, ' ').replaceAll(/ ?([{};,]) ?/g, '$1').replaceAll(': ', ':').replaceAll(';}', '}')
    return `import { unpacked } from ${JSON.stringify(unpacker)}\nexport const style = unpacked('${packed(style)}')`
  }
}

/** The types that a file of declarations declares, by their names; what stands before one belongs to it. */
function typesOf (code) {
  const types = new Map()
  let start = 0
  for (const { type, id, end } of parseAst(code, { lang: 'dts' }).body) {
    if (/^TS(?:Interface|TypeAlias)Declaration$/.test(type)) types.set(id.name, code.slice(start, end).trim())
    start = end
  }
  return types
}

/** Types that the main way in exports are taken from there, where they are the same. */
const borrowed = {
  name: 'borrowed',
  generateBundle (_options, bundle) {
    const main = readFileSync('dist/index.d.ts', 'utf8')
    const exported = new Set([...main.slice(main.lastIndexOf('export {')).matchAll(/type (\w+)/g)].map(([, name]) => name))
    const known = typesOf(main)
    for (const chunk of Object.values(bundle)) {
      const same = [...typesOf(chunk.code)].filter(([name, text]) => exported.has(name) && known.get(name) === text)
      for (const [, text] of same) chunk.code = chunk.code.replace(`${text}\n`, () => '')
      chunk.code = `import type { ${same.map(([name]) => name).join(', ')} } from '../index.js'\n${chunk.code}`
    }
  }
}

/** The declarations of one way in, in one file. */
const declarations = (name, ...plugins) => ({
  ...common,
  input: `lib/${name}.ts`,
  plugins: [dts({ emitDtsOnly: true, oxc: true, tsconfig: false, sourcemap: false }), ...plugins],
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
      // For the benches. It is not published: see package.json.
      'drill/index': 'lib/drill/index.ts'
    },
    plugins: [styles, finish],
    transform: {
      define: {
        builtVersion: JSON.stringify(version),
        builtThread: JSON.stringify(packed(await threadText())),
        builtPage: JSON.stringify(packed(await pageText()))
      }
    },
    // Which file each statement is of says the repository, in a fiftieth less of the package.
    experimental: { attachDebugInfo: 'none' },
    output: {
      dir: 'dist',
      format: 'esm',
      entryFileNames: '[name].js',
      // Not in a folder of their own: lib/supervisor/parent/spawn.ts looks for the file of the children.
      chunkFileNames: 'chunk-[name].js',
      ...readable
    }
  },
  declarations('index'),
  declarations('process/early'),
  declarations('supervisor/index', borrowed)
])

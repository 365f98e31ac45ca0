import { defineConfig } from 'rolldown'

// One file per way in, and what several of them need beside them. All that a request passes stands in one module: V8 reads what
// comes from another module anew each time, which costs two percent of a small request (measured with bench/cpu.js).
export default defineConfig({
  input: Object.fromEntries(['index', 'process/early', 'cluster/index', 'cluster/worker', 'cli/index', 'guardian/thread'].map((name) => [name, `lib/${name}.ts`])),
  external: (id) => !/^[./]/.test(id),
  platform: 'node',
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    // Not in a folder of their own: lib/package.ts looks for its neighbours.
    chunkFileNames: 'chunk-[name].js',
    sourcemap: true
  }
})

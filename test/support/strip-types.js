// Takes the types off for a Node that cannot do it itself. The way of the test runner starts a compiler in every test
// file, which costs more than a second of processor time each.
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

if (isMainThread && !process.features.typescript) register(import.meta.url)

let transform

export async function load (url, context, next) {
  if (!url.startsWith('file:') || !new URL(url).pathname.endsWith('.ts')) return next(url, context)
  transform ??= (await import('rolldown/utils')).transformSync
  const path = fileURLToPath(url)
  const { code, map, errors } = transform(path, await readFile(path, 'utf8'), {
    sourcemap: true,
    tsconfig: false,
    typescript: { onlyRemoveTypeImports: true }
  })
  if (errors.length > 0) throw errors[0]
  return {
    format: 'module',
    shortCircuit: true,
    source: `${code}\n//# sourceMappingURL=data:application/json;base64,`
      + `${Buffer.from(JSON.stringify(map)).toString('base64')}\n`
  }
}

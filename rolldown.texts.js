import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { rolldown } from 'rolldown'

/**
 * Programs that run somewhere else, each as one text that the main modules carry: nothing is looked for beside them, so
 * that they start in a bundle, in an archive and in a single executable.
 */
async function bundle (input, options, output) {
  const built = await rolldown({ ...options, input: fileURLToPath(new URL(input, import.meta.url)) })
  const { output: [{ code, imports, dynamicImports }, ...others] } =
    await built.generate({ codeSplitting: false, comments: false, ...output })
  await built.close()
  return { code, isWhole: others.length === 0, asksFor: [...imports, ...dynamicImports] }
}

const isOfOthers = (id) => !/^[./]/.test(id)

/**
 * The program of the watchdog's thread. It is a script, because no other kind of text can be a thread everywhere. It is as
 * short as it can be.
 */
export async function threadText () {
  const { code, isWhole } = await bundle('lib/watchdog/thread/index.ts', { external: isOfOthers, platform: 'node' }, {
    format: 'cjs',
    minify: {
      compress: { target: 'node20' },
      mangle: { toplevel: true, keepNames: false },
      codegen: { removeWhitespace: true }
    }
  })
  if (!isWhole) throw new Error('the thread of the watchdog does not fit into one text')
  return `'use strict'\n${ascii(code)}\n//# sourceURL=fastify-graceful/watchdog/thread.js`
}

/** The page's script. It stands inside of a document, where `</script` would end it. */
export async function pageText () {
  const { code, isWhole, asksFor } = await bundle('lib/page/browser/start.ts', { platform: 'browser' }, {
    format: 'esm',
    minify: true
  })
  if (!isWhole || asksFor.length > 0) throw new Error(`the page's script is not all in one text: ${asksFor.join()}`)
  if (/<\/script|<!--/i.test(code)) throw new Error("the page's script would end its element")
  return ascii(code).trim()
}

/** One sign of two bytes makes V8 keep two for each of the others. */
function ascii (code) {
  return code.replaceAll(/[^\0-\x7F]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A text as `lib/build.ts` unpacks it: less than half of one that is minified. */
export function packed (text) {
  return brotliCompressSync(text).toString('base64')
}

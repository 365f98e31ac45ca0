/** A text that the build has packed, see `rolldown.texts.js`. What unpacks it is loaded with the first one. */
export function unpacked (text: string): string {
  return process.getBuiltinModule('node:zlib').brotliDecompressSync(Buffer.from(text, 'base64')).toString()
}

import { brotliDecompressSync } from 'node:zlib'

/** A text that the build has packed, see `rolldown.texts.js`: few processes need it, and each package has it. */
export function unpacked (text: string): string {
  return brotliDecompressSync(Buffer.from(text, 'base64')).toString()
}

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A directory with a short path, which everybody may use. */
export function directory (t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'g-'))
  chmodSync(made, 0o777)
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

// Packages of the registry that only tests need, kept in the user's cache folder.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A package of the registry, nailed to its content. */
export interface Pinned { spec: string, integrity: string }

/** Kept from run to run, and shared by clones; named after the content, so that another version lies beside it. */
export const cache: string = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fastify-graceful')

/**
 * Where the package's content lies, after `place` has laid it there from the unpacked package. From the cache without
 * a network.
 */
export async function fetched (
  { spec, integrity }: Pinned,
  place: (packageFolder: string, target: string) => void
): Promise<string> {
  const target = join(cache, createHash('sha256').update(integrity).digest('hex').slice(0, 16))
  if (existsSync(target)) return target
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'fetch-'))
  try {
    await run(
      'npm',
      ['pack', spec, '--pack-destination', work, '--prefer-offline', '--ignore-scripts', '--json'],
      { cwd: work }
    )
    const tarball = join(work, spec.replace(/^@/, '').replace('/', '-').replace(/@([^@]+)$/, '-$1.tgz'))
    const found = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
    if (found !== integrity) throw new Error(`${spec}: expected ${integrity}, got ${found}`)
    await run('tar', ['-xzf', tarball, '-C', work])
    const laid = join(work, 'laid')
    mkdirSync(laid)
    place(join(work, 'package'), laid)
    try {
      renameSync(laid, target)
    } catch (error) {
      // Whoever else was at it laid the same.
      if (!existsSync(target)) throw error
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return target
}

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cleanEnv } from '../../support/clean-env.ts'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../../../', import.meta.url))
const store = join(tmpdir(), `fastify-graceful-roofs-${userInfo().uid}`)

async function run (folder: string, ...command: string[]): Promise<string> {
  const { stdout } = await execute('env', [...cleanEnv, ...command], { cwd: folder, maxBuffer: 64 << 20 }).catch((error: Error & { stdout?: string, stderr?: string }) => {
    throw new Error(`${command.join(' ')} failed in ${folder}:\n${(error.stdout ?? '').slice(-2000)}\n${(error.stderr ?? '').slice(-4000)}`)
  })
  return stdout.trim()
}

/** The plugin as it would be published. It is built before the tests are. */
async function pack (into: string): Promise<string> {
  const packed = JSON.parse(await run(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', into)) as Array<{ filename: string }> | Record<string, { filename: string }>
  return join(into, Object.values(packed)[0]!.filename)
}

const hashOf = (...texts: string[]): string => createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 12)

/** How a folder is installed. */
export interface InstallOptions {
  /** The binary that installs. @default the one that runs */
  node?: string
  /** A folder whose files several have in common. */
  shared?: string | undefined
}

const sourceOf = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

/**
 * Installs what a folder of this directory depends on, and the plugin from its packed tarball, somewhere outside of
 * this repository, so that nothing is found that its package.json does not name. What was installed once is used again
 * as long as package.json is the same; the plugin is unpacked anew each time.
 *
 * @param name the folder
 * @returns the folder with its files and node_modules
 * @throws Error with what npm says
 */
export async function install (name: string, { node = process.execPath, shared }: InstallOptions = {}): Promise<string> {
  const source = sourceOf(name)
  const manifest = readFileSync(join(source, 'package.json'), 'utf8')
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
  const kept = join(store, `${name}-${hashOf(manifest, JSON.stringify({ dependencies, peerDependencies }), node === process.execPath ? process.versions.modules : node)}`)
  mkdirSync(store, { recursive: true })
  sweep()
  const folder = `${kept}.${process.pid}`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const tarball = await pack(folder)
  if (!existsSync(kept)) await fill(kept, source, tarball, node)
  // A copy of links: several runs may use what was installed at the same time.
  await run(store, 'cp', '-al', join(kept, 'node_modules'), folder)
  rmSync(join(folder, 'node_modules/fastify-graceful'), { recursive: true })
  mkdirSync(join(folder, 'node_modules/fastify-graceful'))
  await run(folder, 'tar', '-xzf', tarball, '--strip-components=1', '-C', 'node_modules/fastify-graceful')
  cpSync(join(source, '../support/shop.js'), join(folder, 'shop.js'))
  for (const from of [source, ...shared === undefined ? [] : [sourceOf(shared)]]) cpSync(from, folder, { recursive: true })
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Removes what runs that were broken off have left. */
function sweep (): void {
  for (const file of readdirSync(store)) {
    const pid = /\.(\d+)$/.exec(file)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(store, file), { recursive: true, force: true })
  }
}

/** Whether a process runs. */
export function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Under another name first: an installation that was broken off is none. */
async function fill (kept: string, source: string, tarball: string, node: string): Promise<void> {
  const half = `${kept}.installing.${process.pid}`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half)
  try {
    cpSync(join(source, 'package.json'), join(half, 'package.json'))
    cpSync(tarball, join(half, basename(tarball)))
    // Some packages refuse to be installed by another Node than they run on.
    await run(half, `PATH=${dirname(node)}:${process.env['PATH']}`, 'npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', '--loglevel=error', `./${basename(tarball)}`)
    try {
      renameSync(half, kept)
    } catch (error) {
      // Somebody else was faster.
      if (!existsSync(kept)) throw error
    }
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
}

/** The version of a package that was installed. */
export function versionOf (folder: string, name: string): string {
  return (JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version
}

/** The binary of another Node, from the npm registry. */
export async function nodeBinary (major: number): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const kept = join(store, `node-${major}`)
  if (!existsSync(kept)) {
    mkdirSync(store, { recursive: true })
    const half = `${kept}.installing.${process.pid}`
    mkdirSync(half, { recursive: true })
    writeFileSync(join(half, 'package.json'), '{}')
    await run(half, 'npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', '--loglevel=error', `node@${major}`)
    try {
      renameSync(half, kept)
    } catch (error) {
      if (!existsSync(kept)) throw error
    }
    rmSync(half, { recursive: true, force: true })
  }
  return join(kept, 'node_modules/node/bin/node')
}

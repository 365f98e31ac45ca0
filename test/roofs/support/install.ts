import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cleanEnv } from '../../support/clean-env.ts'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../../../', import.meta.url))
const store = join(tmpdir(), `fastify-graceful-roofs-${userInfo().uid}`)

async function run (folder: string, ...command: string[]): Promise<void> {
  try {
    await execute('env', [...cleanEnv, ...command], { cwd: folder, maxBuffer: 64 << 20 })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string, stderr?: string }
    const said = `${stdout.slice(-2000)}\n${stderr.slice(-4000)}`
    throw new Error(`${command.join(' ')} failed in ${folder}:\n${said}`, { cause: error })
  }
}

const hashOf = (...texts: string[]): string => createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 12)

/** The tarball as it would be published, of what is built: packed once, for all files of a run. */
export async function pack (): Promise<string> {
  const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
  const stamps = ['../package.json', ...files].map((file) => `${file} ${statSync(join(root, 'dist', file)).mtimeMs}`)
  const kept = join(store, `plugin-${hashOf(root, ...stamps)}`)
  await once(kept, async (half) => {
    await run(root, 'npm', 'pack', '--ignore-scripts', '--pack-destination', half)
  })
  return join(kept, readdirSync(kept)[0]!)
}

/** Makes a folder that others may make at the same time. Under another name first: one that was broken off is none. */
async function once (kept: string, make: (half: string) => Promise<void>): Promise<void> {
  if (existsSync(kept)) return
  const half = `${kept}.installing.${process.pid}`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half, { recursive: true })
  try {
    await make(half)
    renameSync(half, kept)
  } catch (error) {
    // Somebody else was faster.
    if (!existsSync(kept)) throw error
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
}

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
export async function install (name: string, options: InstallOptions = {}): Promise<string> {
  const { node = process.execPath, shared } = options
  const source = sourceOf(name)
  const manifest = readFileSync(join(source, 'package.json'), 'utf8')
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
  const { dependencies, peerDependencies } = own
  const needed = JSON.stringify({ dependencies, peerDependencies })
  const runtime = node === process.execPath ? process.versions.modules : node
  const kept = join(store, `${name}-${hashOf(manifest, needed, runtime)}`)
  mkdirSync(store, { recursive: true })
  sweep()
  const folder = `${kept}.${process.pid}`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const tarball = await pack()
  await once(kept, async (half) => {
    cpSync(join(source, 'package.json'), join(half, 'package.json'))
    cpSync(tarball, join(half, basename(tarball)))
    await npmInstall(half, `./${basename(tarball)}`, node)
  })
  // A copy of links: several runs may use what was installed at the same time.
  await run(store, 'cp', '-al', join(kept, 'node_modules'), folder)
  rmSync(join(folder, 'node_modules/fastify-graceful'), { recursive: true })
  mkdirSync(join(folder, 'node_modules/fastify-graceful'))
  await run(folder, 'tar', '-xzf', tarball, '--strip-components=1', '-C', 'node_modules/fastify-graceful')
  cpSync(join(source, '../support/shop.js'), join(folder, 'shop.js'))
  cpSync(source, folder, { recursive: true })
  if (shared !== undefined) cpSync(sourceOf(shared), folder, { recursive: true })
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

async function npmInstall (folder: string, what: string, node: string = process.execPath): Promise<void> {
  const quietly = ['--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', '--loglevel=error']
  // Some packages refuse to be installed by another Node than they run on.
  await run(folder, `PATH=${dirname(node)}:${process.env['PATH']}`, 'npm', 'install', ...quietly, what)
}

/** The version of a package that was installed. */
export function versionOf (folder: string, name: string): string {
  const manifest = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/** The binary of another Node, from the npm registry. */
export async function nodeBinary (major: number): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const kept = join(store, `node-${major}`)
  await once(kept, async (half) => {
    writeFileSync(join(half, 'package.json'), '{}')
    await npmInstall(half, `node@${major}`)
  })
  return join(kept, 'node_modules/node/bin/node')
}

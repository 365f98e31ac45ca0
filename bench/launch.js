// How the service of a bench is started, for every peer: those of peers.js, and programs that end a service themselves.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { peers } from './peers.js'
import { here } from './support.js'

/** Programs and frameworks with a shutdown of their own. `title` and `note` are what the tables call them. */
const programs = {
  'fastify-cli': {
    package: 'fastify-cli',
    command: ({ timeout }) => [
      process.execPath, join(folderOf('fastify-cli'), 'cli.js'), 'start', '--address', '127.0.0.1',
      '--log-level', 'info', '--options',
      ...timeout ? ['--close-grace-delay', String(timeout)] : [], here('hosts/cli-app.js')
    ]
  },
  nest: {
    title: 'Nest',
    note: ', `enableShutdownHooks()`',
    package: '@nestjs/core',
    takesDelay: true,
    command: () => [process.execPath, here('hosts/nest.js')]
  },
  watt: {
    title: 'Watt',
    package: 'wattpm',
    cwd: here('hosts/watt'),
    restarts: true,
    // Its own defaults are 30 s and, for an application, 10 s.
    defaultTimeout: 10_000,
    command: () => [newerNode(), binOf('wattpm', 'wattpm'), 'start']
  },
  'pm2-runtime': {
    note: ' with plain close',
    package: 'pm2',
    cwd: here('hosts'),
    takesDelay: true,
    restarts: true,
    // Its own default.
    defaultTimeout: 1600,
    // Two of them in one home get in each other's way.
    command: () => [
      'sh', '-c', `exec env PM2_HOME="$(mktemp -d '${temporaryFolder('pm2-')}/XXXXXX')" "$0" "$@"`,
      process.execPath, binOf('pm2', 'pm2-runtime'), 'start', 'ecosystem.config.cjs'
    ]
  }
}

const packages = Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, {
  takesDelay: true,
  ...peer,
  package: peer.package && name,
  command: () => [
    peer.newerNode ? newerNode() : process.execPath,
    // What its README recommends for Kubernetes: signals that come while the service boots are kept.
    ...peer.ours ? ['--import', pathToFileURL(here('../dist/process/early.js')).href] : [],
    here('service.js'), name
  ]
}]))

const { 'fastify-graceful': ours, ...others } = packages
/** Every peer by name, the plugin last. */
export const contenders = { ...others, ...programs, 'fastify-graceful': ours }

/**
 * The program that starts the service, its folder and its environment.
 *
 * @param routes the module with the routes, from this folder
 * @param delay milliseconds before the close
 * @param timeout milliseconds after which the peer gives up, where it has such a setting; undefined is its default
 */
export function launchOf (name, { routes, delay = 0, timeout }) {
  const contender = contenders[name]
  const limit = timeout ?? contender.defaultTimeout
  return {
    command: contender.command({ timeout }),
    ...contender.cwd && { cwd: contender.cwd },
    env: {
      ...process.env,
      ROUTES: pathToFileURL(here(routes)).href,
      DELAY: String(delay),
      ...limit && { TIMEOUT: String(limit) }
    }
  }
}

/** The peer's name with the version that is installed. */
export function titleOf (name) {
  const { title = name, note = '', package: from } = contenders[name]
  return `${title}${from ? ` ${manifestOf(from).version}` : ''}${note}`
}

/** A folder that goes with this process. */
function temporaryFolder (prefix) {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const resolvers = [here('package.json'), here('hosts/package.json')].map(file => createRequire(file))

/** The folder of a package, in whichever of the two places it is installed. */
function folderOf (name) {
  for (const { resolve } of resolvers) {
    const folder = resolve.paths(name).map(path => join(path, name)).find(path => readManifest(path) !== undefined)
    if (folder !== undefined) return folder
  }
  throw new Error(`${name} is not installed`)
}

function readManifest (folder) {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  } catch {
    return undefined
  }
}

const manifestOf = name => readManifest(folderOf(name))

function binOf (name, bin) {
  const folder = folderOf(name)
  return join(folder, manifestOf(name).bin[bin])
}

let newer
/** A Node for what does not run on Node 20: this one, or one of the registry. */
function newerNode () {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 19)) return process.execPath
  newer ??= execFileSync('npx', ['-y', '-p', 'node@22', '--', 'node', '-p', 'process.execPath'], {
    cwd: dirname(here('package.json')),
    encoding: 'utf8'
  }).trim()
  return newer
}

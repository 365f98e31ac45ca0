import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { claimPort, endWithUs } from '../../../lib/drill/processes.ts'

/** Installs a package of Debian's. @throws Error where that does not work */
function installPackage (name: string): void {
  const options = {
    stdio: 'pipe',
    timeout: 240_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  } as const
  process.stderr.write(`${name} is not on this machine; installing it with apt-get\n`)
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
}

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)])
    .catch(() => false)
  socket.destroy()
  return isOpen
}

/** Starts a server with its data in a folder that goes with the test; answers its port. */
async function serve (
  t: Pick<Test, 'teardown'>,
  folder: string,
  port: number,
  command: [string, ...string[]]
): Promise<number> {
  const [program, ...args] = command
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  endWithUs(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => { output = (output + String(chunk)).slice(-4000) })
  }
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  for (const end = Date.now() + 30_000; !await accepts(port); await sleep(50)) {
    if (child.exitCode !== null || Date.now() > end) throw new Error(`${program} did not start:\n${output}`)
  }
  return port
}

/** A Redis on a port of the loopback. @returns the port */
export async function startRedis (t: Pick<Test, 'teardown'>): Promise<number> {
  const binary = '/usr/bin/redis-server'
  if (!existsSync(binary)) installPackage('redis-server')
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const port = await claimPort()
  return await serve(t, folder, port, [
    binary, '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'
  ])
}

const versions = '/usr/lib/postgresql'
const binaries = (): string | undefined => existsSync(versions)
  ? readdirSync(versions).toSorted().map((version) => join(versions, version, 'bin'))
    .findLast((bin) => existsSync(join(bin, 'initdb')))
  : undefined

/** A PostgreSQL on a port of the loopback. @returns the URL of an empty database */
export async function startPostgres (t: Pick<Test, 'teardown'>): Promise<string> {
  if (binaries() === undefined) installPackage('postgresql')
  const bin = binaries()!
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const port = await claimPort()
  // It refuses to run as root.
  const asOther = process.getuid?.() === 0
    ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] as const
    : [] as const
  if (asOther.length > 0) execFileSync('chown', ['postgres:postgres', folder])
  chmodSync(folder, 0o700)
  const [program, ...args] = [
    ...asOther, join(bin, 'initdb'), '--pgdata', join(folder, 'data'), '--username=postgres', '--auth=trust',
    '--no-sync', '--locale=C', '--encoding=UTF8'
  ]
  execFileSync(program, args, { cwd: folder, stdio: 'pipe' })
  const [server, ...settings] = [
    ...asOther, join(bin, 'postgres'), '-D', join(folder, 'data'), '-p', String(port),
    '-c', 'listen_addresses=127.0.0.1', '-k', folder, '-c', 'fsync=off'
  ]
  await serve(t, folder, port, [server, ...settings])
  return `postgres://postgres@127.0.0.1:${port}/postgres`
}

/** Runs SQL, in the database of the URL. */
export function sql (url: string, text: string): string {
  return execFileSync(join(binaries()!, 'psql'), [url, '--tuples-only', '--no-align', '--command', text], {
    encoding: 'utf8'
  }).trim()
}

/**
 * Makes the table of the tests in an empty database. It waits for a server that accepts connections a little before
 * it answers.
 */
export async function createOrders (url: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      sql(url, 'create table orders (id bigserial primary key, content jsonb)')
      return
    } catch (error) {
      if (attempt === 100) throw error
      await sleep(100)
    }
  }
}

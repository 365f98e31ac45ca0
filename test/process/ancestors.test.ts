import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { isDeployed } from '../../lib/environment.ts'
import { deafAncestor, developerOf } from '../../lib/process/ancestors.ts'
import { fork } from './fork.ts'

/** A process as `/proc` shows it: its command line, its parent, and whether it has a handler for SIGTERM. */
type Process = [commandLine: string[], parent: number, handles?: boolean]

function read (
  processes: Record<number, Process>
): typeof deafAncestor extends (parent?: number, read?: infer Read) => unknown ? NonNullable<Read> : never {
  return (pid, file) => {
    const found = processes[pid]
    if (found === undefined) throw new Error('ENOENT')
    const [commandLine, parent, handles = false] = found
    return file === 'cmdline'
      ? `${commandLine.join('\0')}\0`
      : `Name:\tx\nPPid:\t${parent}\nSigCgt:\t${handles ? '0000000000004000' : '0000000000010002'}\n`
  }
}

t.test('who keeps signals from a service', async (t) => {
  const rows: Array<[
    name: string,
    parent: number,
    processes: Record<number, Process>,
    expected: string | undefined
  ]> = [
    ['CMD node server.js', 1, { 1: [['/bin/sh', '-c', 'node server.js'], 0] }, 'sh'],
    ['an entry script', 1, { 1: [['/bin/bash', '/entrypoint.sh', 'node', 'server.js'], 0] }, 'bash'],
    ['an Alpine image', 1, { 1: [['/bin/busybox', 'sh', '-c', 'node server.js'], 0] }, 'busybox'],
    ['a login shell that runs a command', 1, { 1: [['bash', '-lc', 'node server.js'], 0] }, 'bash'],
    ['a script that hands signals on', 1, { 1: [['/bin/sh', '/entrypoint.sh'], 0, true] }, undefined],
    ['npm', 7, { 1: [['npm run start'], 0, true], 7: [['sh', '-c', 'node server.js'], 1] }, 'npm'],
    ['npm before it has its title', 7, {
      1: [['node', '/usr/local/bin/npm', 'start'], 0],
      7: [['sh', '-c', 'node server.js'], 1]
    }, 'npm'],
    ['npm by its file', 1, {
      1: [['/usr/local/bin/node', '/usr/local/lib/node_modules/npm/bin/npm-cli.js', 'start'], 0]
    }, 'npm'],
    ['npx', 1, { 1: [['npx fastify-cli start'], 0] }, 'npx'],
    ['pnpm', 7, {
      1: [['node', '--no-warnings', '/usr/local/bin/pnpm', 'start'], 0],
      7: [['sh', '-c', 'node server.js'], 1]
    }, 'pnpm'],
    ['pnpm.cjs', 1, { 1: [['node', '/x/pnpm.cjs', 'start'], 0] }, 'pnpm'],
    ['yarn, the old one', 1, { 1: [['node', '/opt/yarn-v1.22.22/bin/yarn.js', 'start'], 0] }, 'yarn'],
    ['yarn, the new one', 1, { 1: [['node', '/app/.yarn/releases/yarn-4.9.1.cjs', 'start'], 0] }, 'yarn'],
    ['corepack', 1, { 1: [['node', '/usr/local/bin/corepack', 'pnpm', 'start'], 0] }, 'corepack'],
    ['a shell that starts npm', 9, {
      1: [['sh', '-c', 'npm start'], 0],
      7: [['npm start'], 1],
      9: [['sh', '-c', 'node server.js'], 7]
    }, 'sh'],
    ['docker run --init', 1, { 1: [['/sbin/docker-init', '--', 'node', 'server.js'], 0] }, undefined],
    ['tini', 1, { 1: [['tini', '--', 'node', 'server.js'], 0] }, undefined],
    ['dumb-init, with a shell between', 7, {
      1: [['dumb-init', 'sh', '-c', 'node server.js'], 0],
      7: [['sh', '-c', 'node server.js'], 1]
    }, undefined],
    ['systemd, and a shell at a terminal', 900, { 1: [['/sbin/init'], 0], 900: [['-bash'], 1] }, undefined],
    ['systemd, and npm at a terminal', 902, {
      1: [['/sbin/init'], 0],
      900: [['-bash'], 1],
      901: [['npm start'], 900],
      902: [['sh', '-c', 'node server.js'], 901]
    }, undefined],
    ['a shell that somebody types into', 1, { 1: [['bash'], 0] }, undefined],
    ['the same, of an Alpine image', 1, { 1: [['/bin/sh', '-l'], 0] }, undefined],
    ['docker exec', 0, { 1: [['sh', '-c', 'sleep infinity'], 0] }, undefined],
    ['a pod that shares its processes', 0, { 1: [['/pause'], 0] }, undefined],
    ['another service as PID 1', 1, { 1: [['node', 'supervisor.js'], 0] }, undefined],
    ['a script that is only called like one', 1, { 1: [['node', '/app/npm-proxy.js'], 0] }, undefined],
    ['an empty command line', 1, { 1: [[], 0] }, undefined],
    ['no /proc', 1, {}, undefined],
    ['a circle', 7, { 7: [['sh', '-c', 'x'], 8], 8: [['sh', '-c', 'x'], 7] }, undefined]
  ]
  for (const [name, parent, processes, expected] of rows) t.equal(deafAncestor(parent, read(processes)), expected, name)
})

/** What makes a process PID 1 of a namespace of its own; undefined where that is not permitted. */
const alone = [['--pid'], ['--user', '--map-root-user', '--pid']]
  .map((flags) => ['unshare', ...flags, '--fork', '--mount-proc', '--kill-child'])
  .find(([program = '', ...flags]) => spawnSync('env', ['-u', 'NODE_OPTIONS', program, ...flags, 'true']).status === 0)

t.test('a shell or a package manager as PID 1 is said at boot, once', {
  skip: alone === undefined && 'no namespace may be made here, so nothing can be PID 1'
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-graceful-parent-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const script = join(folder, 'start.sh')
  writeFileSync(script, '#!/bin/sh\necho starting\n"$@"\necho gone\n')
  const replaced = join(folder, 'exec.sh')
  writeFileSync(replaced, '#!/bin/sh\necho starting\nexec "$@"\n')
  const project = join(folder, 'project')
  mkdirSync(project)
  const fixture = fileURLToPath(new URL('fixtures/parent.js', import.meta.url))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ scripts: { start: `${process.execPath} ${fixture}` } }))
  const init = join(folder, 'init.mjs')
  writeFileSync(
    init,
    "import { spawn } from 'node:child_process'\n"
      + "spawn(process.argv[2], process.argv.slice(3), { stdio: 'inherit' })"
      + ".once('exit', (code) => process.exit(code))\n"
  )
  const rows: Array<[name: string, under: string[], expected: string | undefined, options?: object]> = [
    ['a shell that runs several commands',
      ['sh', '-c', '"$@"; true', 'sh'], 'sh'],
    ['bash',
      ['bash', '-c', '"$@"; true', 'bash'], 'bash'],
    ['a start script',
      [script], 'sh'],
    ['npm',
      ['npm', '--prefix', project, 'run', 'start', '--'], 'npm'],
    ['a start script that ends with exec',
      [replaced], undefined],
    ['a script that hands signals on',
      ['sh', '-c', 'trap "kill -TERM $!" TERM; "$@" & wait; wait', 'sh'], undefined],
    ['an init',
      [process.execPath, init], undefined],
    ['node itself',
      [], undefined],
    ['a shell, where the service does not listen for SIGTERM',
      ['sh', '-c', '"$@"; true', 'sh'], undefined, { signals: { SIGTERM: false } }]
  ]
  spawnSync('chmod', ['+x', script, replaced])
  for (const [name, under, expected, options = {}] of rows) {
    const app = fork('parent.js', { given: { options }, under: [...alone!, ...under] })
    await app.waitForLine(/^pid \d+, parent \d+$/m)
    app.kill('SIGKILL')
    const [,, output] = await app.result
    const lines = output.split('\n').filter((line) => line.includes('graceful.parent'))
    t.equal(lines.length, expected === undefined ? 0 : 1, `${name}: ${output}`)
    if (expected !== undefined) {
      t.match(JSON.parse(lines[0] ?? '{}'), {
        level: 40,
        event: 'graceful.parent',
        msg: new RegExp(`^fastify-graceful: PID 1 is ${expected}, which passes no signal on: .*JSON array`)
      }, name)
    }
  }
})

t.test('dash with one command, as CMD without a JSON array has it', {
  skip: alone === undefined && 'no namespace may be made here, so nothing can be PID 1'
}, async (t) => {
  const app = fork('parent.js', { under: [...alone!, 'sh', '-c', '"$@"', 'sh'] })
  const [, pid] = await app.waitForLine(/^pid (\d+), parent \d+$/m)
  app.kill('SIGKILL')
  const [,, output] = await app.result
  // Some shells put the last command into their own place, and are gone.
  t.equal(output.includes('graceful.parent'), pid !== '1', output)
})

t.test('in an ordinary process nothing is said', async (t) => {
  const app = fork('parent.js')
  await app.waitForLine(/^pid /m)
  app.kill('SIGTERM')
  t.notMatch((await app.result)[2], 'graceful.parent')
})

t.test('a supervisor says it for all', {
  skip: alone === undefined && 'no namespace may be made here, so nothing can be PID 1'
}, async (t) => {
  const app = fork('parent.js', {
    under: [...alone!, 'sh', '-c', '"$@"; true', 'sh'],
    node: [fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url)), 'run', '--workers', '2']
  })
  await app.waitForLine(/^pid [^]*^pid /m)
  app.kill('SIGKILL')
  const [,, output] = await app.result
  t.equal(output.split('\n').filter((line) => line.includes('graceful.parent')).length, 1, output)
})

/** Processes above, the nearest first. */
const above = (...commands: string[]) => (pid: number, file: 'cmdline' | 'status'): string => {
  const command = commands[100 - pid]
  if (command === undefined) throw new Error('no such process')
  return file === 'status' ? `Name:\tx\nPPid:\t${pid - 1}\n` : `${command.replaceAll(' ', '\0')}\0`
}

t.test('what says that somebody develops the service', async (t) => {
  const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  const production = { NODE_ENV: ' production ' }
  const cases: Array<[env: NodeJS.ProcessEnv, above: string[], expected: string | undefined, script?: string]> = [
    [{}, [], undefined],
    [{}, ['-bash', 'tmux'], undefined],
    [{ WATCH_REPORT_DEPENDENCIES: '1', ...production, ...pod }, [], 'node --watch'],
    [{ WATCH_REPORT_DEPENDENCIES: '' }, [], undefined],
    [{ NODE_ENV: 'development ' }, [], 'NODE_ENV=development'],
    [{ NODE_ENV: 'development', ...pod }, [], undefined],
    [{ NODE_ENV: 'development', RENDER: 'true', RENDER_SERVICE_ID: 'srv-1' }, [], undefined],
    [{ NODE_ENV: 'test' }, [], undefined],
    [{}, ['node /app/node_modules/.bin/nodemon server.js'], 'nodemon'],
    [{}, ['sh -c node server.js', '/usr/bin/node /usr/lib/node_modules/nodemon/bin/nodemon.js'], 'nodemon'],
    [{}, ['node /app/node_modules/.bin/tsx watch server.ts'], 'tsx watch'],
    [{ ...pod }, ['node /app/node_modules/tsx/dist/cli.mjs watch --clear-screen=false server.ts'], 'tsx watch'],
    [{}, ['node /app/node_modules/.bin/tsx server.ts', 'sh'], undefined],
    [{}, ['node /app/node_modules/.bin/tsx server.ts watch', 'sh'], undefined],
    [{}, ['node /app/nodemon-like/run.js', 'vi nodemon.json'], undefined],
    [{ ...production }, ['node /app/node_modules/.bin/nodemon server.js'], undefined],
    [{ npm_lifecycle_script: 'NODE_ENV=test nodemon --signal SIGTERM server.js' }, [], 'nodemon'],
    [{ npm_lifecycle_script: 'concurrently "tsx watch a.ts" "node b.js"' }, [], 'tsx watch'],
    [{ npm_lifecycle_script: 'tsx server.ts' }, [], undefined],
    [{}, [], 'fastify-cli --watch', '/app/node_modules/fastify-cli/lib/watch/fork.js'],
    [{ ...production }, [], undefined, '/app/node_modules/fastify-cli/lib/watch/fork.js'],
    [{}, [], undefined, '/app/lib/watch/fork.js']
  ]
  for (const [env, commands, expected, script = '/app/server.js'] of cases) {
    const surroundings = { env, argv: ['node', script], parent: 100, isDeployed: isDeployed(env), read: above(...commands) }
    t.equal(developerOf(surroundings), expected, JSON.stringify([env, commands, script]))
  }
  t.equal(developerOf({ env: {}, argv: ['node'], parent: 0, isDeployed: false }), undefined, 'nobody is above')
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { startLoad } from '../../../lib/drill/load.ts'
import { claimPort } from '../../../lib/drill/processes.ts'
import { cleanEnv } from '../../support/clean-env.ts'
import { readLines } from '../../support/lines.ts'
import { ask, service } from './manager.ts'

t.setTimeout(240_000)

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const examples = path('../../../examples/systemd/')
const cli = path('../../../dist/cli/index.js')

/** A real systemd with units of the examples, as they are but for whose they are, and what they start. */
class Systemd {
  readonly folder = mkdtempSync(join(tmpdir(), 'systemd-'))
  readonly #child
  #answer: ((answer: string) => void) | undefined
  #text = ''

  constructor (t: Pick<Test, 'teardown'>, units: Record<string, (text: string) => string>) {
    for (const [name, change] of Object.entries(units)) {
      const text = readFileSync(join(examples, name), 'utf8').replace(/^User=.*\n/m, '').replace(/^WorkingDirectory=.*\n/m, '')
      writeFileSync(join(this.folder, name), change(text))
    }
    cpSync(path('fixtures/real.sh'), join(this.folder, 'real.sh'))
    const child = this.#child = spawn('env', [...cleanEnv, 'bash', join(this.folder, 'real.sh'), this.folder])
    readLines(child.stdout, (lines) => {
      this.#text += lines
      if (!/^== \d+$/m.test(lines)) return
      this.#answer?.(this.#text.replace(/^ready\n/, ''))
      this.#text = ''
    })
    t.teardown(async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'close')
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** Whether there is one: it needs root, namespaces, and a control group that can be written. */
  async runs (t: Pick<Test, 'comment'>): Promise<boolean> {
    const isThere = await Promise.race([
      once(this.#child.stdout, 'data').then(() => true), once(this.#child, 'close').then(() => false)
    ])
    if (!isThere) t.comment('skipped: no systemd can be started here')
    return isThere
  }

  /** Runs a command where this systemd is; answers what it has written, with its exit code in the last line. */
  async run (command: string): Promise<string> {
    const answer = new Promise<string>((resolve) => { this.#answer = resolve })
    this.#child.stdin.write(`${command}\n`)
    return answer
  }

  /** What systemd says of a unit. */
  async show (unit: string, ...names: string[]): Promise<Record<string, string>> {
    const text = await this.run(`systemctl --user show ${unit} ${names.map((name) => `-p ${name}`).join(' ')}`)
    return Object.fromEntries(text.split('\n').filter((line) => /^\w+=/.test(line)).map((line): [string, string] => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1)]
    }))
  }

  /** Asks until it says so. */
  async until (unit: string, expected: Record<string, string>): Promise<void> {
    const end = Date.now() + 60_000
    for (;;) {
      const shown = await this.show(unit, ...Object.keys(expected))
      if (Object.entries(expected).every(([name, value]) => shown[name] === value)) return
      if (Date.now() > end) throw new Error(`${unit}: ${JSON.stringify(shown)}, expected ${JSON.stringify(expected)}`)
    }
  }
}

const starting = (command: string) => (text: string): string =>
  text.replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath} ${command}`)

// Scenario (systemd): A real systemd starts the unit of the examples, which is active when it is ready, shows its status,
// restarts it where it hangs for longer than WatchdogSec=, and stops it in order
t.test('a service of a real systemd', async (t) => {
  const port = await claimPort()
  const systemd = new Systemd(t, {
    'shop.service': (text) => starting(`${service} '{"port":${port}}'`)(text)
      .replace('WatchdogSec=30', 'WatchdogSec=4').replace('Restart=always', 'Restart=on-watchdog')
  })
  if (!await systemd.runs(t)) return
  t.match(await systemd.run('systemctl --user start shop'), /^== 0$/m)
  t.match(await systemd.show('shop', 'ActiveState', 'StatusText'), { ActiveState: 'active', StatusText: 'Ready' })
  const first = await ask(`http://127.0.0.1:${port}/`)
  ask(`http://127.0.0.1:${port}/hang?ms=120000`).catch(() => {})
  await systemd.until('shop', { NRestarts: '1', ActiveState: 'active' })
  t.not(await ask(`http://127.0.0.1:${port}/`), first, 'another process')
  t.match(await systemd.run('systemctl --user stop shop'), /^== 0$/m)
  t.match(await systemd.show('shop', 'ActiveState', 'Result', 'ExecMainStatus'), {
    ActiveState: 'inactive', Result: 'success', ExecMainStatus: '0'
  })
})

// Scenario (systemd): A real systemd reloads the supervisor of the examples, which is `reloading` meanwhile
t.test('a supervisor of a real systemd', async (t) => {
  const port = await claimPort()
  const folder = mkdtempSync(join(tmpdir(), 'systemd-gate-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const gate = join(folder, 'gate')
  const systemd = new Systemd(t, {
    'shop-supervisor.service': starting(`${cli} run --workers 2 ${service} '{"port":${port},"gate":"${gate}"}'`)
  })
  if (!await systemd.runs(t)) return
  t.match(await systemd.run('systemctl --user start shop-supervisor'), /^== 0$/m)
  await systemd.until('shop-supervisor', { ActiveState: 'active', StatusText: 'Ready: 2 of 2 children ready' })
  const load = startLoad({ port, rate: 20, profiles: [{ name: 'short', path: '/', keepAlive: false }], timeout: 60_000 })
  try {
    // However fast it is, the reload lasts until it was seen. Where the supervisor says `RELOADING=1` before ExecReload=
    // has ended, systemctl waits for all of it.
    writeFileSync(gate, '')
    t.match(await systemd.run('systemctl --user --no-block reload shop-supervisor'), /^== 0$/m)
    await systemd.until('shop-supervisor', { ActiveState: 'reloading' })
    rmSync(gate)
    await systemd.until('shop-supervisor', { ActiveState: 'active', StatusText: 'Ready: 2 of 2 children ready' })
  } finally {
    const { losses } = await load.stop()
    t.same(losses, [])
  }
  t.match(await systemd.run('systemctl --user stop shop-supervisor'), /^== 0$/m)
  t.match(await systemd.show('shop-supervisor', 'ActiveState', 'Result'), { ActiveState: 'inactive', Result: 'success' })
})

// Scenario (systemd): A real systemd keeps the socket of the examples over restarts of the service, and nobody is lost
t.test('a socket of a real systemd', async (t) => {
  const port = await claimPort()
  const systemd = new Systemd(t, {
    'shop.service': (text) => starting(`${service} '{"fd":3}'`)(text),
    'shop.socket': (text) => text.replace('ListenStream=3000', `ListenStream=127.0.0.1:${port}`)
  })
  if (!await systemd.runs(t)) return
  t.match(await systemd.run('systemctl --user start shop.socket'), /^== 0$/m)
  t.match(await ask(`http://127.0.0.1:${port}/`), /^process \d+$/, 'the first connection starts it')
  const load = startLoad({ port, rate: 20, profiles: [{ name: 'short', path: '/', keepAlive: false }], timeout: 60_000 })
  for (let count = 1; count <= 3; count++) t.match(await systemd.run('systemctl --user restart shop'), /^== 0$/m)
  const { requests, losses } = await load.stop()
  t.same(losses, [], `0 of ${requests} requests were lost`)
})

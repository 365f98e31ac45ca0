import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = new URL('../../../', import.meta.url)
const examples = fileURLToPath(new URL('examples/systemd', root))
const units = readdirSync(examples).filter((name) => !name.endsWith('.js')).toSorted()

/** What systemd has to say about units, one line each. */
function verify (folder: string, names: readonly string[]): string[] {
  const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', ...names], {
    cwd: folder, encoding: 'utf8', env: { ...process.env, SYSTEMD_LOG_LEVEL: 'info', SYSTEMD_UNIT_PATH: `${folder}:` }
  })
  return `${stdout}${stderr}`.split('\n').filter((line) => names.some((name) => line.includes(name)))
}

t.before(() => {
  if (existsSync('/usr/bin/systemd-analyze')) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  execFileSync('apt-get', ['update', '-qq'], { env, timeout: 180_000 })
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'systemd'], { env, timeout: 180_000 })
})

// Scenario (systemd): The units of the examples are what the documentation shows, and systemd has nothing to say about
// them; it has where one of them says what it does not know
t.test('systemd-analyze verify', async (t) => {
  const folder = t.testdir()
  cpSync(examples, folder, { recursive: true })
  t.same(units, ['shop-supervisor.service', 'shop.service', 'shop.socket'])
  t.same(verify(folder, units), [])
  const page = readFileSync(new URL('docs/guides/systemd.md', root), 'utf8')
  const blocks = [...page.matchAll(/```ini\n([\s\S]*?)```/g)].map(([, block = '']) => block)
  t.same(blocks.toSorted(), units.map((unit) => readFileSync(`${examples}/${unit}`, 'utf8')).toSorted())
  for (const [unit, from, to] of [
    ['shop.service', 'Type=notify', 'Type=notified'],
    ['shop-supervisor.service', 'WatchdogSec=30', 'WatchdogSecs=30'],
    ['shop.socket', 'ListenStream=3000', 'ListenStream=somewhere']
  ] as const) {
    const text = readFileSync(`${examples}/${unit}`, 'utf8')
    rmSync(`${folder}/${unit}`)
    writeFileSync(`${folder}/${unit}`, text.replace(from, to))
    t.not(verify(folder, [unit]).length, 0, `${unit}: ${to}`)
    writeFileSync(`${folder}/${unit}`, text)
  }
})

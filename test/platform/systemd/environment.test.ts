import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { takeSystemd } from '../../../lib/platform/systemd/environment.ts'

const folder = mkdtempSync(join(tmpdir(), 'systemd-'))
const path = join(folder, 'bin')
mkdirSync(path)
writeFileSync(join(path, 'systemd-notify'), '#!/bin/sh\n', { mode: 0o755 })
writeFileSync(join(folder, 'file'), 'no socket')
const socket = join(folder, 'notify')
const command = join(path, 'systemd-notify')

t.before(async () => {
  const server = createServer().listen(socket)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
})

// Scenario (systemd): NOTIFY_SOCKET that is blank, relative, missing or no socket, and a WATCHDOG_USEC or WATCHDOG_PID
// that is none or another's, are said in one line each, and nothing else fails
t.test('what the variables say, of each kind', async (t) => {
  const way = { command, socket }
  for (const [name, env, expected] of [
    ['not set', {}, undefined],
    ['blank', { NOTIFY_SOCKET: ' ' }, undefined],
    ['a path', { NOTIFY_SOCKET: socket }, { way, watchdog: undefined, problems: [] }],
    ['an abstract name', { NOTIFY_SOCKET: '@shop' }, { way: { command, socket: '@shop' }, problems: [] }],
    ['an abstract name without a name', { NOTIFY_SOCKET: '@' }, { way: undefined, problems: [/^NOTIFY_SOCKET is "@", neither/] }],
    ['relative', { NOTIFY_SOCKET: 'notify' }, { way: undefined, problems: [/^NOTIFY_SOCKET is "notify", neither/] }],
    ['of a virtual machine', { NOTIFY_SOCKET: 'vsock:2:1' }, { way: undefined, problems: [/neither an absolute path/] }],
    ['missing', { NOTIFY_SOCKET: `${socket}-2` }, { way: undefined, problems: [/cannot be looked at \(ENOENT\)/] }],
    ['a file', { NOTIFY_SOCKET: join(folder, 'file') }, { way: undefined, problems: [/which is no socket/] }],
    ['with a line break', { NOTIFY_SOCKET: '/tmp/a\nb' }, { way: undefined, problems: [/^NOTIFY_SOCKET is "\/tmp\/a\\nb"/] }],
    ['the watchdog of this process', { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '3000000', WATCHDOG_PID: '7' },
      { way, watchdog: 3000, problems: [] }],
    ['a watchdog without a process', { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '500000' }, { watchdog: 500 }],
    ["another's", { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '3000000', WATCHDOG_PID: '8' },
      { way, watchdog: undefined, problems: [/^WATCHDOG_PID is "8", and this is process 7/] }],
    ['no number', { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '3s' },
      { way, watchdog: undefined, problems: [/^WATCHDOG_USEC is "3s", expected a number of microseconds from 1/] }],
    ['zero', { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '0' }, { watchdog: undefined, problems: [/WATCHDOG_USEC is "0"/] }],
    ['too long', { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '18446744073709551615' },
      { watchdog: undefined, problems: [/WATCHDOG_USEC/] }],
    ['a watchdog and no socket', { WATCHDOG_USEC: '3000000', WATCHDOG_PID: '7' }, undefined],
    ['a descriptor that is not there', {
      NOTIFY_SOCKET: socket, LISTEN_PID: '7', LISTEN_FDS: '1000', LISTEN_FDNAMES: `${'x:'.repeat(998)}notify`
    }, { way }],
    ['descriptors of another process', {
      NOTIFY_SOCKET: socket, LISTEN_PID: '8', LISTEN_FDS: '1', LISTEN_FDNAMES: 'notify'
    }, { way }],
    ['a name beyond the descriptors', {
      NOTIFY_SOCKET: socket, LISTEN_PID: '7', LISTEN_FDS: '0', LISTEN_FDNAMES: 'notify'
    }, { way }]
  ] as const) {
    const given: NodeJS.ProcessEnv = { PATH: `relative:${path}`, ...env }
    t.match(takeSystemd(given, 7) ?? null, expected ?? null, name)
    const left = Object.keys(given).filter((variable) => /NOTIFY|WATCHDOG/.test(variable))
    t.same(left, [], `${name}: taken out of the environment`)
  }
})

t.test('what is no program is not taken for systemd-notify', async (t) => {
  const fakes = t.testdir({ folder: { 'systemd-notify': {} }, text: { 'systemd-notify': '' } })
  writeFileSync(join(fakes, 'text', 'systemd-notify'), '', { mode: 0o644 })
  const PATH = `${join(fakes, 'folder')}:${join(fakes, 'text')}:${path}`
  t.match(takeSystemd({ PATH, NOTIFY_SOCKET: socket }, 7), { way: { command } })
})

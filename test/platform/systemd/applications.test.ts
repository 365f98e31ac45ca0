import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Sender } from '../../../lib/platform/systemd/sender.ts'
import { sharedState } from '../../../lib/process/shared.ts'
import { bind, build, until } from '../../support/app.ts'

/** What stands in for systemd-notify writes down what it was told: a line for each variable, and one for their end. */
const script = '#!/bin/sh\nfor line; do echo "$line"; done >>"$0.told"\necho >>"$0.told"\n'

/** A process that systemd has started; answers what it was told so far. */
async function underSystemd (t: Test): Promise<() => string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'systemd-'))
  mkdirSync(join(folder, 'bin'))
  const command = join(folder, 'bin', 'systemd-notify')
  writeFileSync(command, script, { mode: 0o755 })
  writeFileSync(`${command}.told`, '')
  const server = createServer().listen(join(folder, 'notify'))
  await once(server, 'listening')
  const { PATH } = process.env
  Object.assign(process.env, { NOTIFY_SOCKET: join(folder, 'notify'), PATH: `${join(folder, 'bin')}:${PATH}` })
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
    process.env['PATH'] = PATH
    delete process.env['NOTIFY_SOCKET']
    delete sharedState().systemd
  })
  return () => readFileSync(`${command}.told`, 'utf8').split('\n').filter((line) => line !== '')
}

// Scenario (systemd): Several applications of a process are one service: ready when each that boots or listens is, and one
// that is closed alone ends nothing
t.test('several applications', async (t) => {
  const told = await underSystemd(t)
  const [one, other] = [build(), build()]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  other.after(() => { other.graceful.hold('cache') })
  await bind(other)
  t.notOk('NOTIFY_SOCKET' in process.env, 'taken out of the environment')
  await bind(one)
  await until(() => told().some((line) => /^STATUS=.*Not ready: held by cache/.test(line)))
  t.notOk(told().includes('READY=1'), told().join(' | '))
  await other.close()
  await until(() => told().includes('READY=1'))
  await one.close()
  t.notOk(told().includes('STOPPING=1'), 'the process goes on')
})

// Scenario (systemd): The status says what keeps a service from being ready: checks, holds, and how many more
t.test('the status in words', async (t) => {
  const told = await underSystemd(t)
  const app = build()
  t.teardown(() => app.close())
  let isGood = false
  app.after(() => {
    app.graceful.addCheck('database', () => isGood, { ttl: 10 })
    app.graceful.addCheck('news', () => false, { ttl: 10, critical: false })
    for (let count = 1; count <= 7; count++) app.graceful.hold(`cache ${count}`)
  })
  const holds = [1, 2, 3, 4, 5].map((count) => `held by cache ${count}`).join(', ')
  await bind(app)
  await until(() => told().includes(`STATUS=Not ready: ${holds} and 3 more`))
  isGood = true
  t.notOk(told().includes('READY=1'))
})

// Scenario (systemd): A systemd-notify that fails, or that is killed, is said once, and the service goes on
t.test('a program that fails', async (t) => {
  for (const [name, program, problem] of [
    ['says why', '#!/bin/sh\necho "Failed to notify init system" >&2; exit 1\n', /^the service manager could not be told: Failed to notify/],
    ['says nothing', '#!/bin/sh\nexit 3\n', /has ended with 3$/],
    ['is none', 'no program', /could not be told: .+/],
    ['is killed each time', '#!/bin/sh\nkill -TERM $$\n', undefined]
  ] as const) {
    const folder = t.testdir()
    const command = join(folder, name)
    writeFileSync(command, program, { mode: 0o755 })
    const failures: string[] = []
    const sender = new Sender({ command, socket: join(folder, 'notify') }, (failure) => failures.push(failure))
    sender.send({ READY: 1 })
    sender.send({ STATUS: 'one' })
    sender.send({ STATUS: 'two' })
    if (problem === undefined) continue
    await until(() => failures.length > 0)
    t.match(failures, [problem], name)
  }
})

// Scenario (systemd): A descriptor that is none of systemd's is said once
t.test('a descriptor that refuses', async (t) => {
  for (const mayWait of [true, false]) {
    const failures: string[] = []
    const sender = new Sender({ fd: 1_000_000 }, (failure) => failures.push(failure), mayWait)
    sender.send({ READY: 1 })
    sender.send({ STOPPING: 1 })
    await until(() => failures.length > 0)
    t.match(failures, [/could not be told: EBADF/])
  }
})

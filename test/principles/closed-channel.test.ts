import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readLines } from '../support/lines.ts'

const fixture = fileURLToPath(new URL('fixtures/closed-channel.js', import.meta.url))
const env: NodeJS.ProcessEnv = { ...process.env, TERMINATION_GRACE_PERIOD_SECONDS: '5' }
// The test runner's own loaders.
delete env['NODE_OPTIONS']

for (const when of [
  'before the import',
  'before registration',
  'while booting',
  'while running',
  'during the end',
  'at the end',
  'a second application'
]) {
  t.test(`an IPC channel that closes is no error: ${when}`, async (t) => {
    const child = fork(fixture, [when], {
      env,
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      timeout: 60_000
    })
    let output = ''
    const ended = once(child, 'close')
    await new Promise<void>((resolve) => {
      for (const stream of [child.stdout!, child.stderr!]) {
        readLines(stream, (text) => {
          output += text
          if (output.includes('listening')) resolve()
        })
      }
      void ended.then(() => resolve())
    })
    child.kill('SIGTERM')
    t.same(await ended, [0, null], output)
    t.match(output, /^listening\n(?:.*\n)*onClose\nexit 0\n$/)
  })
}

t.test('an application that is closed after the channel lets the process end', async (t) => {
  const child = fork(fixture, ['a close before'], {
    env,
    execArgv: [],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    timeout: 60_000
  })
  t.same(await once(child, 'exit'), [0, null])
})

t.test('a parent that is killed leaves a child that ends as any other', async (t) => {
  const program = "const { fork } = require('node:child_process'); "
    + `const child = fork(${JSON.stringify(fixture)}, ['never'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }); `
    + "console.log('child ' + child.pid); setInterval(() => {}, 1000)"
  const parent = spawn(process.execPath, ['-e', program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  const ended = once(parent, 'close')
  await new Promise<void>((resolve) => {
    readLines(parent.stdout, (text) => {
      output += text
      if (output.includes('listening')) resolve()
    })
  })
  const pid = Number(/^child (\d+)$/m.exec(output)?.[1])
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  process.kill(pid, 'SIGTERM')
  // Its standard output is the parent's, and closes with the last who has it.
  await ended
  t.match(output, /onClose\nexit 0\n$/)
})

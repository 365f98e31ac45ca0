import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import {
  probeTerminationMessage, readTerminationMessage, writeTerminationMessage
} from '../../lib/platform/kubernetes/message.ts'
import { until } from '../supervisor/tree.ts'
import { directory } from './directory.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const nextTurn = promisify(setImmediate)
const service = fileURLToPath(new URL('fixtures/listener.js', import.meta.url))
const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
const before = 'what somebody else has written, and needs'

/** What may stand where the message goes and is none of ours. Each makes that; the victim must stay as it is. */
const traps: Record<string, (at: string, victim: string) => void> = {
  'a symbolic link': (at, victim) => symlinkSync(victim, at),
  'a relative link': (at) => symlinkSync('victim', at),
  'a link to a link': (at, victim) => {
    symlinkSync(victim, `${at}.2`)
    symlinkSync(`${at}.2`, at)
  },
  'a hard link': (at, victim) => linkSync(victim, at),
  'a directory': (at) => mkdirSync(at),
  'a link to a directory': (at, victim) => {
    mkdirSync(`${victim}.d`)
    symlinkSync(`${victim}.d`, at)
  },
  'a FIFO': (at) => { execFileSync('mkfifo', [at]) },
  'a link to a device': (at) => symlinkSync('/dev/null', at),
  "another user's file": (at) => {
    writeFileSync(at, before, { mode: 0o666 })
    if (process.geteuid?.() === 0) chownSync(at, 12_345, 12_345)
    else linkSync(at, `${at}.2`)
  }
}

for (const [name, make] of Object.entries(traps)) {
  // Scenario (Attacks, and failures of the plugin's own code): The termination message where links, other users' files
  // and whatever else lie; sockets with paths that are too long, and their modes
  t.test(`the termination message leaves ${name} alone`, async (t) => {
    const made = directory(t)
    const [at, victim] = [join(made, 'log'), join(made, 'victim')]
    writeFileSync(victim, before)
    make(at, victim)
    const watch = new Stopwatch(process.pid)
    t.throws(() => writeTerminationMessage(at, 'message'))
    t.type(probeTerminationMessage(at), Error)
    t.equal(readTerminationMessage(at), undefined)
    inTime(t, watch.stop(), [0, 1000], 'and waits for nothing:')
    t.equal(readFileSync(victim, 'utf8'), before)
    if (lstatSync(at).isFile()) t.equal(readFileSync(at, 'utf8'), before)
  })
}

// Scenario, too: The termination message where links…
t.test('a dangling link is not followed to make its file', async (t) => {
  const made = directory(t)
  symlinkSync(join(made, 'absent'), join(made, 'log'))
  t.throws(() => writeTerminationMessage(join(made, 'log'), 'message'), /symbolic link/)
  t.notOk(existsSync(join(made, 'absent')))
})

// Scenario, too: The termination message where links…
t.test('nor one that is put there between two looks', async (t) => {
  const made = directory(t)
  const [at, victim] = [join(made, 'log'), join(made, 'victim')]
  writeFileSync(victim, before)
  writeFileSync(`${at}.file`, '')
  symlinkSync(victim, `${at}.link`)
  const swapper = new Worker(`
    const { linkSync, renameSync, symlinkSync, unlinkSync, writeFileSync } = require('node:fs')
    const { parentPort, workerData: { at, victim } } = require('node:worker_threads')
    parentPort.postMessage('begun')
    for (let round = 0; round < 5000; round++) {
      symlinkSync(victim, at + '.next')
      renameSync(at + '.next', at)
      writeFileSync(at + '.next', '')
      renameSync(at + '.next', at)
    }`, { eval: true, workerData: { at, victim } })
  await once(swapper, 'message')
  const over = once(swapper, 'exit')
  let [written, refused] = [0, 0]
  for (let isOver = false; !isOver;) {
    for (let round = 0; round < 100; round++) {
      try {
        writeTerminationMessage(at, 'message')
        written++
      } catch {
        refused++
      }
    }
    isOver = await Promise.race([over.then(() => true), nextTurn(false)])
  }
  t.equal(readFileSync(victim, 'utf8'), before, `${written} messages written, ${refused} refused`)
  t.ok(written > 0 && refused > 0)
})

interface End { code: number | null, output: string }

/** Ends a service with SIGTERM, and answers what it has said. */
async function endOf (args: string[], env: NodeJS.ProcessEnv, user?: number): Promise<End> {
  const { NODE_OPTIONS: _, ...rest } = process.env
  // Another user need not be able to start this Node: root does, and becomes that user.
  const become = `data:text/javascript,process.setgid(${user});process.setuid(${user})`
  const command = [...user === undefined ? [] : ['--import', become], ...args]
  const child = spawn(process.execPath, command, { env: { ...rest, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => { output += text.toString() })
  const closed = once(child, 'close')
  await until(() => output.includes('listens') || child.exitCode !== null, `it listens: ${output}`)
  child.kill('SIGTERM')
  const [code] = await closed as [number | null]
  return { code, output }
}

// Scenario, too: The termination message where links…
t.test('a service says so at boot, and its end leaves no message there', async (t) => {
  const made = directory(t)
  const [at, victim] = [join(made, 'log'), join(made, 'victim')]
  writeFileSync(victim, before)
  symlinkSync(victim, at)
  const env = {
    GRACEFUL_TERMINATION_MESSAGE_PATH: at,
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
    TERMINATION_GRACE_PERIOD_SECONDS: '3'
  }
  const { code, output } = await endOf([service], env)
  t.equal(code, 0)
  const refusal = /the termination message cannot be written: .*log is a symbolic link, and not followed/
  t.match(output, refusal)
  t.equal(readFileSync(victim, 'utf8'), before)
  const tree = await endOf([cli, 'run', service], env)
  t.match(tree.output, refusal, 'a supervisor, too')
  t.equal(readFileSync(victim, 'utf8'), before)
})

// Scenario, too: The termination message where links…
t.test("what root has made for a container's user is written by it, what a third one has made is not", async (t) => {
  const made = directory(t)
  const at = join(made, 'log')
  const user = process.geteuid?.() === 0 ? 65_534 : undefined
  writeFileSync(at, '')
  chmodSync(at, 0o666)
  const env = { GRACEFUL_TERMINATION_MESSAGE_PATH: at }
  t.equal((await endOf([service], env, user)).code, 0)
  t.match(readTerminationMessage(at), { final: true, verdict: 'clean' })
  if (user === undefined) return
  writeFileSync(at, before)
  chownSync(at, 12_345, 12_345)
  t.equal((await endOf([service], env, user)).code, 0)
  t.equal(readFileSync(at, 'utf8'), before)
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { endWithUs } from '../../../lib/drill/processes.ts'
import { cleanEnv } from '../../support/clean-env.ts'
import { inTime, Stopwatch } from '../../support/stopwatch.ts'

/** A service that has been brought into some form, and how it is started. */
export interface Program {
  command: readonly string[]
  /** The folder that it is started in. */
  folder: string
  env?: NodeJS.ProcessEnv
}

interface Run {
  pid: number
  url: string
  watchdog: string
  kill (): void
  /** Waits until it has written this. */
  wrote (text: string): Promise<void>
  /** Its code or its signal, and all that it wrote. */
  end: Promise<{ code: number | string, output: string }>
}

const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
const { version } = JSON.parse(manifest) as { version: string }

async function start ({ command, folder, env }: Program): Promise<Run> {
  const options = { cwd: folder, env: { ...process.env, ...env } }
  const child = spawn('env', [...cleanEnv, ...command], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  endWithUs(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      child.emit('wrote')
    })
  }
  const end = once(child, 'close').then(([code, signal]) => ({ code: (code ?? signal) as number | string, output }))
  const find = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(output)
      if (match !== null) return match
      await Promise.race([once(child, 'wrote'), end])
      if (child.exitCode !== null && !pattern.test(output)) throw new Error(`no ${pattern} before the end:\n${output}`)
    }
  }
  const [, port, watchdog] = await find(/^listening (\d+), watchdog (\d+)$/m)
  return {
    pid: child.pid!,
    url: `http://127.0.0.1:${port}`,
    watchdog: `http://127.0.0.1:${watchdog}`,
    kill: () => { child.kill('SIGTERM') },
    wrote: async (text) => { await find(new RegExp(`^${text}$`, 'm')) },
    end
  }
}

const textOf = async (url: string): Promise<string> => (await fetch(url, { headers: { connection: 'close' } })).text()

/** It serves, ends in order, and where its event loop hangs, the watchdog ends it at the deadline. */
export async function proveEnds (t: Test, program: Program): Promise<void> {
  await Promise.all([proveOrderly(t, program), proveHung(t, program)])
}

async function proveOrderly (t: Test, program: Program): Promise<void> {
  const run = await start(program)
  t.equal(await textOf(run.url), version, 'it answers, with the version of this package')
  t.equal(await textOf(`${run.watchdog}/readyz`), 'ok', 'the watchdog answers probes')
  const slow = textOf(`${run.url}/slow`)
  await run.wrote('slow begins')
  run.kill()
  t.equal(await slow, 'whole', 'the request in hand is answered')
  const { code, output } = await run.end
  t.equal(code, 0, `it ends in order:\n${output}`)
  t.match(output, /^pool closed$/m, 'its hooks run')
}

/** A supervisor with two children of the service ends in order: both answer what they have, and run their hooks. */
export async function proveSupervised (t: Test, program: Program): Promise<void> {
  const run = await start(program)
  t.equal(await textOf(run.url), version, 'a child answers, with the version of this package')
  const slow = textOf(`${run.url}/slow`)
  await run.wrote('slow begins')
  run.kill()
  t.equal(await slow, 'whole', 'the request in hand is answered')
  const { code, output } = await run.end
  t.equal(code, 0, `it ends in order:\n${output}`)
  t.match(output, /"event":"graceful.supervisor.start".*"workers":2/, 'it is the supervisor')
  t.equal(output.match(/^pool closed$/gm)?.length, 2, 'the hooks of both children run')
}

async function proveHung (t: Test, program: Program): Promise<void> {
  const run = await start(program)
  textOf(`${run.url}/hang`).catch(() => {})
  await run.wrote('hanging')
  await sleep(50)
  t.match(await textOf(`${run.watchdog}/readyz`), /ok|not|fail/, 'the watchdog answers where the event loop hangs')
  const watch = new Stopwatch(run.pid)
  run.kill()
  const { code, output } = await run.end
  watch.stop()
  t.equal(code, 1, `the watchdog ends it:\n${output}`)
  // It is 6 s.
  inTime(t, watch, [0, 9000], 'by the deadline: after')
  t.match(output, /spinForEver/, 'and says where it hung')
}

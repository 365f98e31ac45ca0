// One cell: a process of its own, a real end, and what was seen from outside.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimPort, endWithUs } from '../../dist/drill/index.js'
import { contenders, launchOf } from '../launch.js'
import { ask } from './client.js'
import { judge } from './judge.js'

/** Milliseconds from the signal to SIGKILL, and what each peer is told to keep within, where it has such a setting. */
const grace = 10_000
const timeout = 8000
/** Milliseconds before the close, for those whose README recommends that. */
const delay = 2000
/** Milliseconds that a boot may take. */
const bootWithin = 60_000

/** What a cell's service has written: to its file past every buffer, and to its output. */
class Witness {
  #file
  #output = ''

  constructor (file, child) {
    this.#file = file
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => { this.#output += chunk })
  }

  get lines () {
    try {
      return readFileSync(this.#file, 'utf8').split('\n')
    } catch {
      return []
    }
  }

  get output () { return this.#output }

  /** Waits until the service has noted as many lines. @throws Error with its output */
  async noted (pattern, count = 1) {
    for (const end = Date.now() + bootWithin; this.lines.filter(line => pattern.test(line)).length < count;) {
      if (Date.now() > end) throw new Error(`not noted: ${pattern}\n${this.#output}`)
      await sleep(20)
    }
  }
}

async function untilReady (port, child, witness) {
  for (const end = Date.now() + bootWithin; await ask(port, '/immediate') !== 'answered';) {
    if (child.exitCode !== null || Date.now() > end) throw new Error(`did not become ready:\n${witness.output}`)
    await sleep(50)
  }
}

/** Ends what is left of the cell, below other programs, too. */
function sweep (child, lines) {
  const pids = lines.flatMap(line => /^pid (\d+)$/.exec(line)?.[1] ?? []).map(Number)
  for (const pid of [-child.pid, ...pids]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}

/** Plays one way on one peer. @returns the verdict of `judge`: `good` and `text` */
export async function play (name, way) {
  const contender = contenders[name]
  const folder = mkdtempSync(join(tmpdir(), 'matrix-'))
  const port = await claimPort()
  const { command: [program, ...args], cwd, env } = launchOf(name, {
    routes: 'matrix/routes.js',
    delay: contender.ownDelay ? delay : 0,
    timeout
  })
  const file = join(folder, 'facts')
  const child = spawn(program, args, {
    cwd,
    env: {
      ...env, ...way.env, PORT: String(port), FACTS: file, NODE_ENV: 'production',
      TERMINATION_GRACE_PERIOD_SECONDS: String(grace / 1000)
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  endWithUs(child, true)
  const exited = once(child, 'exit').then(() => Date.now())
  const closed = once(child, 'close')
  const witness = new Witness(file, child)
  let begun
  let sent
  const cell = {
    port,
    noted: (pattern, count) => witness.noted(pattern, count),
    begin: () => { begun ??= Date.now() },
    signal (name) {
      cell.begin()
      sent = name
      child.kill(name)
    }
  }
  try {
    if (way.boots) await witness.noted(/^opened/)
    else await untilReady(port, child, witness)
    cell.noted = afterBoot(witness)
    const owed = await way.act(cell)
    const ended = await Promise.race([exited, sleep(begun + grace - Date.now())])
    const isAlive = ended === undefined
    const serves = isAlive && await Promise.race([ask(port, '/immediate'), sleep(1000)]) === 'answered'
    const { lines } = witness
    sweep(child, lines)
    const [code, signal] = await closed
    const outcomes = await Promise.all(owed)
    return judge(way, {
      outcomes, lines, hasLastLine: witness.output.includes('the last line'), seconds: (ended - begun) / 1000,
      code, signal, sent, serves, isAlive
    }, contender.restarts)
  } finally {
    sweep(child, witness.lines)
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Requests of the boot do not count. */
function afterBoot (witness) {
  const before = witness.lines.length - 1
  return async (pattern, count = 1) => {
    const earlier = witness.lines.slice(0, before).filter(line => pattern.test(line)).length
    await witness.noted(pattern, earlier + count)
  }
}

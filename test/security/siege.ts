import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { fork } from '../process/fork.ts'
import { cleanEnv } from '../support/clean-env.ts'
import { tcp } from './attacks.ts'
import type { Attack, Door } from './attacks.ts'

/** What a prober has seen. Times are milliseconds. */
export interface Probing {
  answered: number
  failed: number
  /** The longest that an answer took. */
  longest: number
  /** Likewise, without the time in which the prober or the thread that answers waited for a processor. */
  served: number
}

/** What a process holds. */
export interface Holdings { megabytes: number, descriptors: number }

/** Where probes go, and from which address they come. */
export type Target = { port: number, from?: string } | { unix: string }

/** A process that probes. */
export interface Prober {
  /** What it has seen since the last call. */
  tell: () => Promise<Probing>
  /** Probes another process from now on, and forgets what it has seen. */
  turnTo: (target: Target, pid: number) => Promise<void>
  stop: () => Promise<void>
}

const program = fileURLToPath(new URL('fixtures/prober.js', import.meta.url))
/** How often an attack is tried whose probes had to wait. */
const mostTries = 3
/** Likewise, with the tries that the machine was not fit for. */
const mostRounds = 8
/** Probes that have to be answered during an attack: fewer say nothing. */
const fewestProbes = 10
/** How long the wake of an attack is looked at, in milliseconds. */
const wake = 150

/** Probes of a process, from one of its own, until it is told to stop. */
export async function startProbing (target: Target, pid: number, path = '/readyz'): Promise<Prober> {
  const textOf = (where: Target, of: number): string => JSON.stringify({ ...where, pid: of, path })
  const args = [...cleanEnv, process.execPath, program, textOf(target, pid)]
  const child = spawn('env', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  const ended = once(child, 'close').then(() => { throw new Error('the prober has ended') })
  ended.catch(() => {})
  const ask = async (text: string): Promise<string> => {
    child.stdin.write(`${text}\n`)
    const [line] = await Promise.race([once(lines, 'line'), ended]) as [string]
    return line
  }
  return {
    tell: async () => JSON.parse(await ask('tell')) as Probing,
    turnTo: async (...to) => { await ask(textOf(...to)) },
    stop: async () => {
      child.stdin.end()
      await once(child, 'close')
    }
  }
}

/** The memory and the descriptors of a process; Linux alone tells. */
export function holdingsOf (pid: number): Holdings {
  const [, kilobytes = ''] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return { megabytes: Number(kilobytes) / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

/** The most that a process holds for so many milliseconds on top of what it held. */
export async function mostHeld (pid: number, before: Holdings, time: number): Promise<Holdings> {
  const most = { megabytes: 0, descriptors: 0 }
  for (const end = Date.now() + time; Date.now() < end; await sleep(50)) {
    const now = holdingsOf(pid)
    most.megabytes = Math.max(most.megabytes, Math.round(now.megabytes - before.megabytes))
    most.descriptors = Math.max(most.descriptors, now.descriptors - before.descriptors)
  }
  return most
}

/** Bounds that an attack has to keep to. */
interface Bounds {
  /** Milliseconds that a probe may take, but for those in which there was no processor for it. */
  silence: number
  /** Memory that the process may take on top of what it had, in MiB. */
  megabytes: number
  /** Descriptors, likewise. */
  descriptors: number
}

/** Who is attacked: a process, and where it is probed. */
export interface Besieged { pid: number, target: Target, bounds: Bounds }

/** What an attack has cost. */
export interface Cost extends Probing, Holdings {}

/** One attack of so many milliseconds, and what it costs at its worst. */
export async function besiege (attack: Attack, door: Door, pid: number, prober: Prober, time = 700): Promise<Cost> {
  const before = holdingsOf(pid)
  await prober.tell()
  const siege = attack.begin(door)
  const held = await mostHeld(pid, before, time)
  siege.stop()
  // What it has left behind is worked off, too.
  await sleep(wake)
  return { ...await prober.tell(), ...held }
}

/** Every attack, one after the other, each within its bounds. */
export async function besiegeAll (t: Test, attacks: readonly Attack[], door: Door, given: Besieged): Promise<void> {
  const { pid, target, bounds } = given
  const rest = holdingsOf(pid)
  const prober = await startProbing(target, pid)
  for (const attack of attacks) {
    let isSlow = true
    let tries = 0
    for (let rounds = 0; isSlow && tries < mostTries && rounds < mostRounds; rounds++) {
      const cost = await besiege(attack, door, pid, prober)
      const said = `${attack.name}: ${JSON.stringify(cost)}`
      t.equal(cost.failed, 0, `every probe is answered, ${said}`)
      const isHeld = cost.megabytes > bounds.megabytes || cost.descriptors > bounds.descriptors
      t.notOk(isHeld, `little is held, ${said}`)
      isSlow = cost.served > bounds.silence || cost.answered < fewestProbes
      const isFit = !isSlow || await isFitFor(attack, bounds.silence / 2)
      if (isFit) tries++
      const machine = `${isFit ? 'a fit' : 'an unfit'} machine`
      if (isSlow) t.comment(`a probe had to wait, or too few were answered, on ${machine}, ${said}`)
    }
    const isJudged = !isSlow || tries === mostTries
    t.notOk(isSlow, `${attack.name}: no probe has to wait`, {
      skip: !isJudged && `a server that does nothing but accept was late in ${mostRounds - tries} of ${mostRounds} rounds`
    })
  }
  await prober.stop()
  const most = rest.descriptors + 3
  for (const end = Date.now() + 10_000; holdingsOf(pid).descriptors > most && Date.now() < end;) await sleep(50)
  t.ok(holdingsOf(pid).descriptors <= most, 'no descriptor is left behind')
}

/**
 * A prober that has seen these attacks, on a server that does nothing but accept, as their attacker has begun them: what
 * the first one on another server takes is that server's. It has to be turned to one.
 */
export async function startWarmProbing (attacks: readonly Attack[], rounds = 2): Promise<Prober> {
  const bare = fork('../../security/fixtures/bare.js')
  const port = Number((await bare.waitForLine(/^ports (\d+)$/m))[1])
  const pid = bare.child.pid!
  const prober = await startProbing({ port }, pid)
  for (let round = 0; round < rounds; round++) {
    for (const attack of attacks) await besiege(attack, tcp(port), pid, prober, 300)
  }
  bare.kill('SIGKILL')
  await bare.result
  return prober
}

/** Whether a server that does nothing but accept answers probes in time during this attack, on the machine as it is. */
export async function isFitFor (attack: Attack, silence: number): Promise<boolean> {
  const bare = fork('../../security/fixtures/bare.js')
  const port = Number((await bare.waitForLine(/^ports (\d+)$/m))[1])
  const pid = bare.child.pid!
  const prober = await startProbing({ port }, pid)
  const { served, answered } = await besiege(attack, tcp(port), pid, prober)
  await prober.stop()
  bare.kill('SIGKILL')
  await bare.result
  return served <= silence && answered >= fewestProbes
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { cleanEnv } from '../support/clean-env.ts'
import type { Attack, Door } from './attacks.ts'

/** What a prober has seen. Times are milliseconds. */
export interface Probing { answered: number, failed: number, longest: number, p99: number, late: number }

/** What a process holds. */
export interface Holdings { megabytes: number, descriptors: number }

/** Where probes go. */
export type Target = { port: number } | { unix: string }

/** A process that probes. */
export interface Prober {
  /** What it has seen since the last call. */
  tell: () => Promise<Probing>
  stop: () => Promise<void>
}

const program = fileURLToPath(new URL('fixtures/prober.js', import.meta.url))
/** How often an attack is tried whose probes had to wait: another process may have had the processor, once. */
const mostTries = 3
/** How long the wake of an attack is looked at, in milliseconds. */
const wake = 150

/** Probes from a process of its own until it is told to stop. */
export async function startProbing (target: Target, path = '/readyz'): Promise<Prober> {
  const args = [...cleanEnv, process.execPath, program, JSON.stringify({ ...target, path })]
  const child = spawn('env', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  return {
    tell: async () => {
      child.stdin.write('tell\n')
      const [line] = await once(lines, 'line') as [string]
      return JSON.parse(line) as Probing
    },
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
export interface Bounds {
  /** Milliseconds by which a probe may be slower than the machine lets the prober itself be. */
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
  const prober = await startProbing(target)
  for (const attack of attacks) {
    let isSlow = true
    for (let tries = 0; isSlow && tries < mostTries; tries++) {
      const cost = await besiege(attack, door, pid, prober)
      const said = `${attack.name}: ${JSON.stringify(cost)}`
      t.ok(cost.failed === 0 && cost.answered > 10, `every probe is answered, ${said}`)
      const isHeld = cost.megabytes > bounds.megabytes || cost.descriptors > bounds.descriptors
      t.notOk(isHeld, `little is held, ${said}`)
      isSlow = cost.longest > bounds.silence + cost.late
      if (isSlow) t.comment(`a probe had to wait, ${said}`)
    }
    t.notOk(isSlow, `${attack.name}: no probe has to wait`)
  }
  await prober.stop()
  const most = rest.descriptors + 3
  for (const end = Date.now() + 10_000; holdingsOf(pid).descriptors > most && Date.now() < end;) await sleep(50)
  t.ok(holdingsOf(pid).descriptors <= most, 'no descriptor is left behind')
}

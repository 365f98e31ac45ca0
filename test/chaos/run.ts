import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stopwatch } from '../support/stopwatch.ts'
import { isAlive } from '../supervisor/tree.ts'
import { startClients } from './clients.ts'
import type { Observation, Sent } from './observation.ts'
import type { Plan, Step } from './plan.ts'
import { startSubject } from './subject.ts'
import type { Subject } from './subject.ts'

/** Milliseconds after the last signal, beyond the grace period, after which it is given up. */
const patience = 20_000
/** Milliseconds that children get which their supervisor has left. */
const orphanPatience = 15_000

/** Carries out a plan, and tells what was seen. */
export async function carryOut (plan: Plan, plant?: string): Promise<Observation> {
  const folder = await mkdtemp(join(tmpdir(), 'graceful-chaos-'))
  const ends: Array<() => unknown> = []
  try {
    const file = join(folder, 'log')
    const subject = startSubject(plan, {
      once: join(folder, 'once'),
      ...plan.logger !== 'sync' && { file },
      ...plant !== undefined && { plant }
    }, ends)
    const watch = new Stopwatch(subject.pid)
    const clients = subject.saw(/^mark \d+ listening (\d+)$/)
      .then((found) => found && startClients(plan, Number(found[1]), subject.begun))
    let isGivenUp = false
    const sent = await sendAll(plan, subject, watch)
    const giveUp = setTimeout(() => {
      isGivenUp = true
      subject.kill()
    }, plan.gracePeriod + patience)
    await subject.gone
    clearTimeout(giveUp)
    // The pipe of a supervisor that was killed stays open as long as its children live.
    const left = await whoIsLeft(subject)
    const end = await subject.ended
    const { late } = watch.stop()
    const seen = await (await clients)?.stop()
    const logged = plan.logger === 'sync' ? '' : await readFile(file, 'utf8').catch(() => '')
    return {
      plan, sent, end, left, late,
      pid: subject.pid,
      lines: subject.lines,
      file: logged.split('\n').filter((line) => line !== ''),
      isGivenUp,
      pause: seen?.pause ?? 0,
      requests: seen?.requests ?? 0,
      losses: seen?.losses ?? [],
      answered: seen?.answered ?? []
    }
  } finally {
    for (const end of ends) end()
    await rm(folder, { recursive: true, force: true })
  }
}

async function whoIsLeft (subject: Subject): Promise<number[]> {
  const end = performance.now() + orphanPatience
  const alive = (): number[] => subject.pids().filter((pid) => isAlive(pid))
  while (alive().length > 0 && performance.now() < end) await sleep(20)
  const left = alive()
  for (const pid of left) process.kill(pid, 'SIGKILL')
  return left
}

/** Sends the signals of a plan as their moments come, until the process has ended. */
async function sendAll (plan: Plan, subject: Subject, watch: Stopwatch): Promise<Sent[]> {
  const sent: Sent[] = []
  const isServing = plan.shape === 'service'
    ? /^mark \d+ (?:listening|closed)/
    : /"event":"graceful\.supervisor\.readiness".*"ready":true/
  const registered = plan.shape === 'service' ? /^mark \d+ registered$/ : /"event":"graceful\.supervisor\.spawn"/
  for (const step of plan.steps) {
    if (step.after === 'registered') await subject.saw(registered)
    if (step.after === 'serving') await subject.saw(isServing)
    const delay = step.after === 'spawn' ? subject.begun + step.delay - performance.now() : step.delay
    await Promise.race([sleep(Math.max(0, delay)), subject.gone])
    const one = subject.isOver() ? undefined : send(step, subject)
    if (one !== undefined && sent.push(one) === 1) watch.restart()
    if (one?.pause) {
      await sleep(one.pause)
      signal(one.pid, 'SIGCONT', one.target)
    }
    if (subject.isOver()) break
  }
  return sent
}

function send (step: Step, subject: Subject): Sent | undefined {
  const pid = (step.target === 'child' ? subject.childAt(step.place) : undefined) ?? subject.pid
  const target = step.target === 'child' && pid === subject.pid ? 'main' : step.target
  const isHeard = subject.lines.some(({ text }) => /^mark \d+ registered$/.test(text))
  // Before somebody listens for it a message is lost, as documented.
  const name = step.name === 'message' && !isHeard ? 'SIGTERM' : step.name
  const at = performance.now() - subject.begun
  if (name === 'message') subject.child.send('shutdown')
  else if (!signal(pid, name, target)) return undefined
  return { name, target, pid, at, pause: name === 'SIGSTOP' ? step.pause : 0 }
}

/** Answers whether there was anybody to send it to. */
function signal (pid: number, name: NodeJS.Signals, target: Step['target']): boolean {
  try {
    return process.kill(target === 'group' ? -pid : pid, name)
  } catch {
    return false
  }
}

import type { ChildProcess } from 'node:child_process'

const alive = new Set<ChildProcess>()
const groups = new WeakSet<ChildProcess>()
const killAll = (): void => alive.forEach(killWhole)

/** A process that outlived this one would hold its port, and the machine's time. @param isGroup whether it leads one */
export function endWithUs (child: ChildProcess, isGroup = false): void {
  if (alive.size === 0) process.on('exit', killAll)
  alive.add(child)
  if (isGroup) groups.add(child)
  child.once('exit', () => {
    alive.delete(child)
    if (alive.size === 0) process.off('exit', killAll)
  })
}

/** Kills a process, and the rest of its group where it leads one. */
export function killWhole (child: ChildProcess): void {
  child.kill('SIGKILL')
  if (!groups.has(child) || child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

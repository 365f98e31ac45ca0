import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * How many children `auto` means: the cores that the process may run on, or as much processor time
 * as the limits of its control groups leave, rounded down, at least 1. Node 20 knows nothing of
 * such limits, and would count all cores of a machine in a container that is allowed two.
 *
 * @param root where the system's files are
 */
export function usableCores (root = '/'): number {
  return Math.max(1, Math.floor(Math.min(availableParallelism(), ...groupsOf(root).map((group) => limitOf(group)))))
}

/** The directories of this process's control groups that may limit its processor time, the innermost first. */
function groupsOf (root: string): string[] {
  const groups: string[] = []
  // As of cgroups(7): `0::/path`, and in the first version one line for each group of controllers,
  // `4:cpu,cpuacct:/path`.
  for (const line of (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [, controllers, path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || !(controllers === '' || controllers.split(',').includes('cpu'))) continue
    const mount = join(root, 'sys/fs/cgroup', controllers)
    // A limit further out binds as well. In a container the path may be the host's, and only the
    // outermost directory exist.
    for (let group = join(mount, path); group.startsWith(mount); group = dirname(group)) groups.push(group)
  }
  return groups
}

/** Cores' worth of time; Infinity where there is no limit. */
function limitOf (group: string): number {
  const [quota, period] = read(join(group, 'cpu.max'))?.trim().split(' ')
    ?? [read(join(group, 'cpu.cfs_quota_us')), read(join(group, 'cpu.cfs_period_us'))]
  const limit = Number(quota) / Number(period)
  return limit > 0 ? limit : Infinity
}

function read (file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

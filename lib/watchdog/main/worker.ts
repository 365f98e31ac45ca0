import type inspector from 'node:inspector'
import { Worker } from 'node:worker_threads'
import { threadProgram } from './program.ts'
import type { ThreadData } from '../protocol.ts'

type Inspector = typeof inspector

/** As little memory as the thread can do with; a bare one reserves much more. */
const resourceLimits = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 }
const { program, isText } = threadProgram()

/** The thread inherits neither the application's loaders nor its environment. */
export function makeWorker (workerData: ThreadData): Worker {
  // What a thread writes would be piped into the standard streams of the process, which begin to
  // exist with that; this one writes by itself.
  const output = { stdout: true, stderr: true }
  const own = { env: {}, argv: [], name: 'fastify-graceful', trackUnmanagedFds: false, resourceLimits }
  const options = { ...output, ...own, workerData, eval: isText }
  try {
    return new Worker(program, { ...options, execArgv: ['--expose-internals', '--no-warnings'] })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error
    return new Worker(program, { ...options, execArgv: [] })
  }
}

/** The inspector, where there is one and the permission model allows it: elsewhere, trying would abort the process. */
export function inspectorOf (): Inspector | undefined {
  try {
    const { permission } = process as { permission?: { has (scope: string): boolean } }
    if (permission !== undefined && !permission.has('inspector')) return undefined
    return process.getBuiltinModule('node:inspector')
  } catch {
    return undefined
  }
}

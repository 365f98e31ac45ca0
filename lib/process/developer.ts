import { readFileSync } from 'node:fs'
import { readVariable } from '../util/given.ts'

/** As it stands in a command: at its start, as a path, or behind an interpreter. */
const program = String.raw`(?:^|[\s/\\"'])`
const commands: ReadonlyArray<readonly [name: string, pattern: RegExp]> = [
  ['nodemon', new RegExp(String.raw`${program}nodemon(?:\.js)?(?=[\s"']|$)`)],
  ['tsx watch', new RegExp(String.raw`${program}tsx(?:[/\\]dist[/\\]cli\.mjs)?\s+watch(?=\s|$)`)]
]
/** The file that fastify-cli runs again and again. */
const forkOfFastifyCli = /[\\/]fastify-cli[\\/]lib[\\/]watch[\\/]fork\.js$/
/** Between a tool and the service are a shell and a package manager at most. */
const mostAncestors = 3

/** What is read of another process: a file of its folder in `/proc`. */
type ReadProcess = (pid: number, file: 'cmdline' | 'status') => string

const readProc: ReadProcess = (pid, file) => readFileSync(`/proc/${pid}/${file}`, 'utf8')

/** What is known of this process. */
export interface Surroundings {
  env: NodeJS.ProcessEnv
  argv: readonly string[]
  parent: number
  /** Whether this is production, or a platform that is known. */
  isDeployed: boolean
  read?: ReadProcess
}

/**
 * What says that somebody develops this service, and waits for its next start: the tool that starts it anew when a
 * file has changed, or `NODE_ENV=development`; undefined elsewhere. In production only `node --watch` counts, which
 * leaves no doubt; on a platform, as in a pod, a tool does, and `NODE_ENV` does not.
 *
 * `WATCH_REPORT_DEPENDENCIES` is set by `node --watch`. nodemon and tsx set nothing: they are found in the script that
 * a package manager runs, and on Linux among the processes above.
 */
export function developerOf (surroundings: Surroundings): string | undefined {
  const { env, argv, isDeployed } = surroundings
  if (readVariable(env, 'WATCH_REPORT_DEPENDENCIES')) return 'node --watch'
  const mode = readVariable(env, 'NODE_ENV')?.trim()
  if (mode === 'production') return undefined
  if (forkOfFastifyCli.test(argv[1] ?? '')) return 'fastify-cli --watch'
  const tool = toolIn(readVariable(env, 'npm_lifecycle_script') ?? '') ?? toolAbove(surroundings)
  if (tool !== undefined) return tool
  return mode === 'development' && !isDeployed ? 'NODE_ENV=development' : undefined
}

function toolIn (command: string): string | undefined {
  return commands.find(([, pattern]) => pattern.test(command))?.[0]
}

function toolAbove ({ parent, read = readProc }: Surroundings): string | undefined {
  try {
    for (let pid = parent, generation = 0; generation < mostAncestors && pid > 1; generation++) {
      const tool = toolIn(read(pid, 'cmdline').replaceAll('\0', ' '))
      if (tool !== undefined) return tool
      pid = Number(/^PPid:\s*(\d+)/m.exec(read(pid, 'status'))?.[1] ?? 0)
    }
  } catch {
    // No Linux, or a process that is hidden, or gone.
  }
  return undefined
}

import type { Loss } from '../../lib/drill/losses.ts'
import type { Report } from '../../lib/lifecycle/report.ts'
import type { Plan, SignalName, Target } from './plan.ts'

// Times are milliseconds since the process was started.

/** A signal as it was sent. */
export interface Sent {
  name: SignalName
  target: Target
  /** Of the child that it was for, else of the process that was started. */
  pid: number
  at: number
  /** Milliseconds until a SIGCONT. */
  pause: number
}

/** A line of the output, with the time at which it was read. */
export interface Line { at: number, text: string }

/** What a client has lost. */
export type Lost = Pick<Loss, 'kind' | 'detail' | 'localPort' | 'isReused' | 'profile'> & { at: number }

/** How a process ended. */
export interface End { code: number | null, signal: string | null }

/** All that was seen of a run, from outside. */
export interface Observation {
  plan: Plan
  pid: number
  sent: Sent[]
  /** Standard output and standard error, in one. */
  lines: Line[]
  /** The file that the logger has written to, where it has one. */
  file: string[]
  end: End & { at: number }
  /** It did not end, and was killed by who looked on. */
  isGivenUp: boolean
  /** By how many milliseconds the machine has delayed the processes from the first signal to the end. */
  late: number
  /** The longest time for which who looks on did not get to run: the clients, too. */
  pause: number
  requests: number
  losses: Lost[]
  /** The lines that answers have told of. */
  answered: Array<{ pid: number, n: number }>
  /** Processes that were there when the one that was started had ended and its time was over. */
  left: number[]
}

/** Something that the service has said of itself. */
export interface Mark { at: number, name: string, value: number }

/** A line of a log. */
interface LogLine {
  at: number
  event?: string
  msg?: string
  n?: number
  begun?: boolean
  done?: number
  report?: Report
  childPid?: number
  exitCode?: number | null
  signal?: string | null
  text: string
}

/** What one process has told. */
export interface Told {
  pid: number
  marks: Mark[]
  /** In their order. */
  log: LogLine[]
  /** Lines that are neither of a log nor marks, nor Node's own notices. */
  stray: Line[]
}

/** Of Node's inspector, whenever SIGUSR1 comes or the watchdog pauses a thread. */
const notices = /^(?:Debugger |For help, see|Starting inspector|Waiting for the debugger|$)/

/** The first mark of a name. */
export function markOf ({ marks }: Pick<Told, 'marks'>, name: string): Mark | undefined {
  return marks.find((mark) => mark.name === name)
}

/** What each process has told, by its id. The process that was started is always among them. */
export function readTold ({ pid, lines, file }: Pick<Observation, 'pid' | 'lines' | 'file'>): Map<number, Told> {
  const all = new Map<number, Told>()
  const toldBy = (id: number): Told => {
    const told = all.get(id) ?? { pid: id, marks: [], log: [], stray: [] }
    all.set(id, told)
    return told
  }
  const main = toldBy(pid)
  for (const { at, text } of [...lines, ...file.map((text) => ({ at: Infinity, text }))]) {
    const [, id, name = '', value] = /^mark (\d+) (\w+)(?: (\S+))?$/.exec(text) ?? []
    if (id !== undefined) {
      toldBy(Number(id)).marks.push({ at, name, value: Number(value ?? 0) })
      continue
    }
    const line = parse(text)
    if (line !== undefined) {
      toldBy(line.pid).log.push({ ...line, at, text })
      // By then it listens for signals.
      if (line.event === 'graceful.supervisor.start') toldBy(line.pid).marks.push({ at, name: 'started', value: 0 })
    }
    if (line === undefined && !notices.test(text)) main.stray.push({ at, text })
  }
  return all
}

function parse (text: string): LogLine & { pid: number } | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const line = JSON.parse(text) as LogLine & { pid: number }
    return typeof line.pid === 'number' ? line : undefined
  } catch {
    return undefined
  }
}

/** How the children of a tree have ended, as far as their supervisor has told. */
export function childEnds (supervisor: Told): Map<number, End & { at: number }> {
  return new Map(supervisor.log
    .filter(({ event }) => event === 'graceful.supervisor.exit')
    .map(({ childPid = 0, exitCode = null, signal = null, at }) => [childPid, { code: exitCode, signal, at }]))
}

import { epochNow } from '../../clock.ts'
import {
  formatTerminationMessage, probeTerminationMessage, readTerminationMessage, writeTerminationMessage
} from './message.ts'
import type { ApplicationRecord, TerminationRecord } from './message.ts'

/** What one application has to say. */
export type OwnRecord = Omit<TerminationRecord, 'time' | 'pid' | 'applications'>

interface Entry { name: string, record: OwnRecord }

/** How bad a verdict is. */
const rank = { clean: 0, cut: 1, failed: 2, unfinished: 3 } as const

/** The termination message of a container, which all applications of a process share: it has an entry for each. */
export class TerminationLog {
  static readonly #logs = new Map<string, TerminationLog>()
  readonly #path: string
  readonly #entries = new Map<object, Entry>()
  /** When something was last written, epoch milliseconds. */
  #writtenAt = 0
  #warned = false

  constructor (path: string) {
    this.#path = path
  }

  /** That of a path, one per process. */
  static at (path: string): TerminationLog {
    let terminationLog = this.#logs.get(path)
    if (terminationLog === undefined) this.#logs.set(path, terminationLog = new TerminationLog(path))
    return terminationLog
  }

  /** The error that keeps the message from being written; undefined without one, or where it was told before. */
  problem (): Error | undefined {
    return this.#tell(probeTerminationMessage(this.#path))
  }

  /** An application has something new to say. Answers like {@link problem}. */
  put (owner: object, entry: Entry): Error | undefined {
    this.#entries.set(owner, entry)
    return this.#write()
  }

  /** An application takes back what it said. */
  remove (owner: object): Error | undefined {
    return this.#entries.delete(owner) ? this.#write() : undefined
  }

  /** Whether somebody else of this process has had the last word: the watchdog, which knows more than we do. */
  get closed (): boolean {
    // Where we have nothing left to say, the last word may be ours.
    if ([...this.#entries.values()].every(({ record }) => record.final)) return false
    const { final, pid, time = '' } = readTerminationMessage(this.#path) ?? {}
    return final === true && pid === process.pid && Date.parse(time) >= this.#writtenAt
  }

  #write (): Error | undefined {
    this.#writtenAt = epochNow()
    const time = new Date(this.#writtenAt).toISOString()
    const entries = [...this.#entries.values()]
    const [worst] = entries.toSorted((a, b) => rank[b.record.verdict] - rank[a.record.verdict])
    try {
      if (worst === undefined) {
        writeTerminationMessage(this.#path, '')
        return undefined
      }
      const message: TerminationRecord = { ...worst.record, time, pid: process.pid }
      if (entries.length > 1) message.applications = entries.map(summaryOf)
      writeTerminationMessage(this.#path, formatTerminationMessage(message))
      return undefined
    } catch (error) {
      return this.#tell(error as Error)
    }
  }

  #tell (problem: Error | undefined): Error | undefined {
    if (problem === undefined || this.#warned) return undefined
    this.#warned = true
    return problem
  }
}

function summaryOf ({ name, record: { final, verdict, phase, summary } }: Entry): ApplicationRecord {
  return { name, final, verdict, phase, summary }
}

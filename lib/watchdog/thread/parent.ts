/**
 * Follows the end of a process whose parent is lost: a main thread that hangs does not hear of it,
 * and nobody is left to kill it.
 */
export class ParentWatch {
  #parent: number | undefined

  /** @param parent the number of the process with which this one is to end; undefined where there is none */
  constructor (parent: number | undefined) {
    this.#parent = parent
  }

  /** Where the parent is gone, asks for the end once, as the main thread would. */
  look (): void {
    if (this.#parent === undefined || process.ppid === this.#parent) return
    this.#parent = undefined
    process.kill(process.pid, 'SIGTERM')
  }
}

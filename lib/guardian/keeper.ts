import type { Worker } from 'node:worker_threads'
import { messageOf } from '../errors.ts'
import type { ThreadData, ToMain, ToThread } from './protocol.ts'
import { freeSpare, openSpare } from './spare.ts'
import { makeWorker } from './worker.ts'

/** What {@link Keeper} needs. */
export interface KeeperPorts {
  /** What the thread is started with. */
  data: () => Omit<ThreadData, 'spare'>
  /** A thread is there, and can be told. */
  started: () => void
  heed: (message: ToMain) => void
  /** It has ended, which nobody asked for, and is about to be started once more. */
  died: (why: string, error: unknown) => void
  /** It could not be started, or has ended again: there is none, and there will be none. */
  failed: (message: string) => void
}

/** Keeps the guardian's thread: starts it, and once more where it dies. */
export class Keeper {
  readonly #ports: KeeperPorts
  #worker: Worker | undefined
  #deaths = 0

  constructor (ports: KeeperPorts) {
    this.#ports = ports
  }

  /** Whether there is a thread. */
  get alive (): boolean { return this.#worker !== undefined }

  start (): void {
    const spare = openSpare()
    try {
      const worker = makeWorker({ ...this.#ports.data(), spare })
      this.#worker = worker
      let failure: unknown
      worker.on('message', (message: ToMain) => this.#ports.heed(message))
      worker.on('error', (error) => { failure = error })
      worker.on('exit', () => {
        freeSpare(spare)
        if (this.#worker === worker) this.#died(failure)
      })
      worker.unref()
      this.#ports.started()
    } catch (error) {
      freeSpare(spare)
      this.#ports.failed(`the guardian cannot be started, so nothing ends this process where its event loop hangs: ${messageOf(error)}`)
    }
  }

  post (message: ToThread): void {
    this.#worker?.postMessage(message)
  }

  /** Ends the thread, for good. */
  stop (): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }

  #died (error: unknown): void {
    const why = error === undefined ? 'its thread has ended' : messageOf(error)
    this.#worker = undefined
    const again = ++this.#deaths > 1
    if (again) return this.#ports.failed(`the guardian has died again (${why}), and is not started any more`)
    this.#ports.died(why, error)
    this.start()
  }
}

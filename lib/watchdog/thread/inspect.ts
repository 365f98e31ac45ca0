import { readFileSync } from 'node:fs'
import type { Debugger, Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'

/** One frame of the main thread. */
export interface Frame {
  name: string
  file: string
  /** Counted from 1, like the column. */
  line: number
  column: number
}

/** A main thread that stands still because we asked it to. */
export interface Pause {
  /** Its frames, without Node's own; the innermost first. */
  stack: Frame[]
  /** Runs an expression in the application's own global scope, and answers its value. */
  evaluate (expression: string): Promise<unknown>
  /** Lets it run, and disconnects. */
  release (): void
}

/** Frames that are read. */
const most = 20
/**
 * For how many steps a pause in Node's own code goes on until it meets the application's: a turn of
 * the queues takes about a hundred.
 */
const mostSteps = 300

/**
 * Pauses the main thread through the inspector. Connected only while it is needed: a session that is left connected
 * makes `process.exit` hang under `--inspect`. Inside native code there is no pause before it returns to JavaScript.
 */
export class MainThread {
  readonly #urls = new Map<string, string>()
  #session: Session | undefined
  #asked = false
  #paused: Promise<Pause | undefined> | undefined
  /** A pause in Node's own code, from which it goes on in steps. */
  #between: Pause | undefined
  /** How many steps it may still take. */
  #steps = 0
  #settle: ((pause: Pause | undefined) => void) | undefined

  /**
   * Connects, which takes most of the time, and asks for nothing yet. A main thread that computes
   * sends the names of its scripts meanwhile.
   */
  prepare (): void {
    this.#session ??= this.#connect()
  }

  /**
   * Asks for a pause, or waits for the one that is asked for already. Undefined where none comes
   * within `timeout` milliseconds: then it stays asked for.
   */
  async pause (timeout: number): Promise<Pause | undefined> {
    this.#paused ??= this.#ask()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => { timer = setTimeout(resolve, timeout, undefined) })
    try {
      return await Promise.race([this.#paused, late]) ?? this.#between
    } finally {
      clearTimeout(timer)
      this.#steps = 0
    }
  }

  /** Settles when the main thread pauses after all; with undefined where {@link disconnect} comes first. */
  get pending (): Promise<Pause | undefined> | undefined {
    return this.#paused
  }

  /** Asks for nothing any more. */
  disconnect (): void {
    const session = this.#session
    this.#session = undefined
    this.#paused = undefined
    this.#asked = false
    this.#between = undefined
    this.#urls.clear()
    this.#settle?.(undefined)
    session?.disconnect()
  }

  #connect (): Session {
    // A Node without an inspector has no such module.
    const session = new (process.getBuiltinModule('node:inspector').Session)()
    session.on('Debugger.scriptParsed', ({ params }) => { this.#urls.set(params.scriptId, params.url) })
    session.on('Debugger.paused', ({ params }) => {
      // Not our pause, but a person's breakpoint: let go.
      if (!this.#asked) this.disconnect()
      else this.#meet(session, this.#describe(session, params.callFrames))
    })
    session.connectToMainThread()
    session.post('Debugger.enable')
    return session
  }

  #ask (): Promise<Pause | undefined> {
    this.prepare()
    return new Promise((resolve) => {
      this.#settle = resolve
      this.#asked = true
      this.#steps = mostSteps
      // At once behind what connects: native code must find both when it returns, or it is gone
      // before the second comes.
      this.#session?.post('Debugger.pause')
    })
  }

  /** What keeps the queues of ticks and microtasks full is on the stack for a part of the time only. */
  #meet (session: Session, pause: Pause): void {
    if (pause.stack.length > 0 || this.#steps-- <= 0) {
      this.#settle?.(pause)
      return
    }
    this.#between = pause
    session.post('Debugger.stepInto')
  }

  #describe (session: Session, frames: Debugger.CallFrame[]): Pause {
    const stack = frames.map((frame) => this.#frame(frame))
      .filter(({ file }) => file !== '' && !file.startsWith('node:'))
      .slice(0, most)
    return {
      stack,
      evaluate: (expression) => new Promise((resolve) => {
        // Not in a frame: that may be one of a context of node:vm, which has no process.
        session.post('Runtime.evaluate', { expression, returnByValue: true, silent: true }, (error, answer) => {
          resolve(error === null && answer.exceptionDetails === undefined ? answer.result.value : undefined)
        })
      }),
      release: () => {
        if (this.#session !== session) return
        session.post('Debugger.resume')
        this.disconnect()
      }
    }
  }

  #frame ({ functionName, location, url }: Debugger.CallFrame): Frame {
    return {
      name: functionName || '(anonymous)',
      file: pathOf(this.#urls.get(location.scriptId) ?? url),
      line: location.lineNumber + 1,
      column: (location.columnNumber ?? 0) + 1
    }
  }
}

function pathOf (url: string): string {
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url
  } catch {
    return url
  }
}

/** A frame as a stack trace shows it. */
export function frameText ({ name, file, line, column }: Frame): string {
  return `${name} (${file}:${line}:${column})`
}

/** What the kernel knows of the main thread. */
export interface ThreadState {
  /** It computes, or is ready to. Undefined where the platform does not tell. */
  computes: boolean | undefined
  /** It waits for another thread, as in `Atomics.wait` and at a breakpoint. */
  waits: boolean
}

/** `futex` on x86-64, arm64 and riscv64, and what a 32-bit arm calls it. */
const futexCalls = new Set(['202', '98', '240'])

/** Looks at the main thread from outside; Linux alone tells. */
export function mainThreadState (): ThreadState {
  const folder = `/proc/self/task/${process.pid}`
  try {
    // The name in parentheses may hold anything.
    const state = readFileSync(`${folder}/stat`, 'latin1').replace(/^.*\) /s, '')[0]
    return { computes: state === 'R', waits: state !== 'R' && waitsForThread(folder) }
  } catch {
    return { computes: undefined, waits: false }
  }
}

function waitsForThread (folder: string): boolean {
  try {
    const [call = ''] = readFileSync(`${folder}/syscall`, 'latin1').split(' ')
    return futexCalls.has(call)
  } catch {
    // Without the right to see the call: any wait may be one.
    return true
  }
}

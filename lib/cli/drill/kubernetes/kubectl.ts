import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { endWithUs } from '../../../drill/index.ts'
import { LineSplitter } from '../../report/lines.ts'
import type { KubeConfig, Versions } from './api.ts'

/** A command of kubectl that failed, in its own words. */
export class KubectlError extends Error {
  override name = 'KubectlError'
  /** What it wrote to standard output before. */
  readonly output: string

  constructor (message: string, output = '') {
    super(message)
    this.output = output
  }
}

/** What goes with one command. */
interface RunOptions {
  /** What it reads. */
  input?: string
  /** Milliseconds until it is ended. @default 30000 */
  within?: number
  /** Ends it. */
  signal?: AbortSignal
}

/** As a shell has to be given it. */
const quoted = (one: string): string => /^[\w./:=@-]+$/.test(one) ? one : `'${one}'`

/** A command that goes on, and tells lines until it ends. */
export interface Stream {
  /** When it is over, however it ended: what it wrote to standard error. */
  ended: Promise<string>
  stop: () => void
}

/** Milliseconds for one command, and bytes of its output. */
const [patience, mostBytes] = [30_000, 64 * 1024 * 1024]
/** Characters of an error that are told. */
const longestError = 2000

/** The user's kubectl, as it was told where to go. Each command is a process of its own, without a shell. */
export class Kubectl {
  readonly #program: string
  readonly #global: readonly string[]

  /** @param global options of every command: `--context`, `--namespace` */
  constructor (program: string, global: readonly string[]) {
    this.#program = program
    this.#global = global
  }

  /** What a command answers. @throws KubectlError where it fails, or takes too long */
  async run (args: readonly string[], { input, within = patience, signal }: RunOptions = {}): Promise<string> {
    const child = this.#spawn(args)
    const output: Buffer[] = []
    const errors: Buffer[] = []
    let bytes = 0
    let why: string | undefined
    const end = (reason: string): void => {
      why = reason
      child.kill('SIGKILL')
    }
    const take = (chunks: Buffer[]) => (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > mostBytes) end(`said more than ${mostBytes} bytes`)
      else chunks.push(chunk)
    }
    child.stdout!.on('data', take(output))
    child.stderr!.on('data', take(errors))
    child.stdin!.on('error', () => {}).end(input)
    const timer = setTimeout(() => end(`did not answer in ${within / 1000} s`), within)
    const interrupted = (): void => end('was interrupted')
    signal?.addEventListener('abort', interrupted, { once: true })
    if (signal?.aborted === true) interrupted()
    const code = await ended(child)
    clearTimeout(timer)
    signal?.removeEventListener('abort', interrupted)
    const said = String(Buffer.concat(output))
    if (code === 0 && why === undefined) return said
    const told = String(Buffer.concat(errors)).trim().slice(-longestError)
    const words = why ?? (typeof code === 'string' ? code : told || `ended with ${code}`)
    throw new KubectlError(`${this.#program} ${args.slice(0, 3).join(' ')}: ${words}`, said)
  }

  /** Starts a command that goes on. @param line hears each line of its output */
  stream (args: readonly string[], line: (text: string) => void): Stream {
    const child = this.#spawn(args)
    const lines = new LineSplitter(line)
    let errors = ''
    child.stdin!.on('error', () => {}).end()
    child.stdout!.on('data', (chunk: Buffer) => lines.push(chunk))
    child.stderr!.on('data', (chunk: Buffer) => { errors = (errors + String(chunk)).slice(-longestError) })
    return {
      ended: ended(child).then((code) => {
        lines.end()
        return typeof code === 'string' ? code : errors.trim()
      }),
      stop: () => { child.kill('SIGKILL') }
    }
  }

  /** The command as somebody would type it. */
  typed (args: readonly string[]): string {
    return [this.#program, ...args, ...this.#global].map(quoted).join(' ')
  }

  #spawn (args: readonly string[]): ChildProcess {
    // In a group of its own: Ctrl-C is for this process, which has to clean up with it.
    const detached = process.platform !== 'win32'
    const child = spawn(this.#program, [...args, ...this.#global], { stdio: ['pipe', 'pipe', 'pipe'], detached })
    endWithUs(child, detached)
    return child
  }
}

/** Resolves with its exit code, or with why it did not start, when all of its output is read. */
function ended (child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' ? 'there is no such program' : String(error)))
    child.once('close', resolve)
  })
}

/** Where kubectl goes. */
export interface Place { context: string, cluster: string, server: string, namespace: string }

/** What only a cluster that serves somebody is called. */
const signs = /prod(?:uction)?(?![a-z])|(?<![a-z])(?:prd|live)(?![a-z])/i
/** Minor versions of kubectl 1: older ones lack what is asked of them. */
const oldestMinor = 20
/** Milliseconds for its first answer. */
const firstPatience = 10_000

/** Looks whether there is a kubectl, and a cluster. @throws KubectlError */
export async function checkVersion (kubectl: Kubectl, signal: AbortSignal): Promise<string> {
  const text = await kubectl.run(['version', '-o', 'json'], { within: firstPatience, signal })
  const { clientVersion, serverVersion } = JSON.parse(text) as Versions
  const minor = Number.parseInt(clientVersion?.minor ?? '', 10)
  if (minor < oldestMinor) {
    throw new KubectlError(`kubectl ${clientVersion?.gitVersion} is too old: 1.${oldestMinor} or later is needed`)
  }
  return `kubectl ${clientVersion?.gitVersion}, Kubernetes ${serverVersion?.gitVersion}`
}

/** Asks kubectl where it goes; undefined where its configuration does not say, as inside a cluster. */
export async function findPlace (
  kubectl: Kubectl, namespace: string | undefined, signal: AbortSignal
): Promise<Place | undefined> {
  let config: KubeConfig
  try {
    config = JSON.parse(await kubectl.run(['config', 'view', '--minify', '-o', 'json'], { signal })) as KubeConfig
  } catch (error) {
    if (/current-context must exist/.test(String(error))) return undefined
    throw error
  }
  const [context] = config.contexts ?? []
  const [cluster] = config.clusters ?? []
  return {
    context: context?.name ?? '',
    cluster: context?.context?.cluster ?? '',
    server: cluster?.cluster?.server ?? '',
    namespace: namespace ?? (context?.context?.namespace || 'default')
  }
}

/** What makes a place look like production, in words; undefined where nothing does. */
export function productionSign (place: Place): string | undefined {
  for (const [what, text] of Object.entries(place)) {
    const found = signs.exec(text)
    if (found !== null) return `the ${what} '${text}' has '${found[0]}' in it`
  }
  return undefined
}

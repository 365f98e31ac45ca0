import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers'
import { messageOf } from '../../errors.ts'
import { shorten } from '../../util/text.ts'
import { parseArgs } from '../../util/node-util.ts'
import { readVariable } from '../../util/given.ts'
import type { Command } from '../usage.ts'
import { readDuration } from '../run/config.ts'
import { readAddress } from '../target.ts'
import type { Target } from '../target.ts'
import { isTerminal, paint, Terminal, wantsColours } from '../terminal.ts'
import { typed, UsageError } from '../usage.ts'
import { Asker } from './ask.ts'
import type { AskOptions } from './ask.ts'
import type { Line } from './sections.ts'
import { Subject } from './watch.ts'

/** Where the route is unless `admin.prefix` says otherwise. */
const standardPath = '/-/status'

/**
 * Reads an address. Where its path does not end in `/status`, the standard route is put behind it.
 *
 * @throws {UsageError} it is none
 */
export function readTarget (given: string): Target {
  return readAddress(given, { command: 'status', complete })
}

function complete (given: string): string {
  const path = given.replace(/\/+$/, '')
  if (path.endsWith('/status')) return path
  return path.endsWith('/-') ? `${path}/status` : path + standardPath
}

const help = `Usage: fastify-graceful status [options] <address> [<address> ...]

Shows what services say of themselves at /-/status: phase, readiness, what is in flight, who stalls.
An address is a URL, host:port, a port of this machine, or unix:/path/of/socket[:/path]; \
a supervisor's or a watchdog's is as good.

  --watch, -w            goes on, until the services are gone or Ctrl-C
  --interval <time>      how often it asks then where there is no stream of changes, 1s
  --timeout <time>       how long an answer may take, 5s
  --token <token>        shows the rest, too; better in GRACEFUL_TOKEN, for other users of a machine see arguments
  --json                 one line of JSON for each answer

Times carry their unit: 30s, 500ms, 2m. NO_COLOR switches colours off.

Exit code, the worst of all addresses: 0 ready, 1 not ready, 2 unreachable, 64 a wrong option or address.`

/** How many items of a list are shown. */
const most = { terminal: 10, plain: 100 } as const
/** Answers that come within so many milliseconds are drawn together. */
const together = 50
/** How often times are drawn anew, in milliseconds. */
const beat = 1000
/** Bounds of times, in milliseconds. */
const bounds = { interval: 100, timeout: 1 } as const

interface Settings extends AskOptions { addresses: string[], watch: boolean, json: boolean, interval: number }

/** `fastify-graceful status`. */
export const status: Command = {
  help: () => help,
  async act (args) {
    const settings = read(args, process.env)
    if (settings === undefined) return 'help'
    // Whoever reads no more (`head`) is no error.
    process.stdout.on('error', () => process.exit())
    const subjects = settings.addresses
      .map(readTarget)
      .map((target) => new Subject(target.name, new Asker(target, settings), settings.token !== undefined))
    if (settings.watch) await watch(subjects, settings)
    else await once(subjects, settings)
    for (const subject of subjects) subject.close()
    return undefined
  }
}

/** Undefined where only help is wanted. */
function read (args: string[], env: NodeJS.ProcessEnv): Settings | undefined {
  const { values, positionals } = parse(args)
  if (values.help === true) return undefined
  if (positionals.length === 0) throw wrong('expected the address of a service, got none')
  const given = values.token ?? readVariable(env, 'GRACEFUL_TOKEN') ?? ''
  if (!/^[!-~]*$/.test(given)) throw wrong('expected a token of visible ASCII characters')
  const token = given === '' ? undefined : given
  return {
    addresses: positionals,
    watch: values.watch === true,
    json: values.json === true,
    token,
    interval: time('interval', values.interval),
    timeout: time('timeout', values.timeout)
  }
}

function parse (args: string[]): {
  values: { watch?: boolean, json?: boolean, help?: boolean, token?: string, interval: string, timeout: string },
  positionals: string[]
} {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        watch: { type: 'boolean', short: 'w' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        token: { type: 'string' },
        interval: { type: 'string', default: '1s' },
        timeout: { type: 'string', default: '5s' }
      }
    })
  } catch (error) {
    throw wrong(typed(messageOf(error)))
  }
}

function time (option: keyof typeof bounds, text: string): number {
  let value: number
  try {
    value = readDuration(`--${option}`, text)
  } catch (error) {
    throw wrong(messageOf(error).replace(/^fastify-graceful: /, ''))
  }
  const least = bounds[option]
  if (value >= least && value <= 3_600_000) return value
  throw wrong(`option '--${option}' must be a time from ${least}ms to 1h, got '${shorten(text)}'`)
}

const wrong = (message: string): UsageError => new UsageError(`status: ${message}`)

async function once (subjects: Subject[], { json }: Settings): Promise<void> {
  await Promise.all(subjects.map((subject) => subject.ask()))
  judge(subjects)
  write(json ? subjects.map(asJson) : whole(subjects, most.plain))
}

async function watch (subjects: Subject[], settings: Settings): Promise<void> {
  const stop = new AbortController()
  const stopped = (): void => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stopped)
  const show = settings.json
    ? new JsonLines()
    : isTerminal(process.stdout, process.env) ? new Frames(subjects) : new Changes()
  await Promise.all(subjects.map((subject) =>
    subject.follow(settings.interval, stop.signal, () => show.changed(subject))))
  judge(subjects)
  show.finish(subjects)
}

/** Before the last is written: whoever reads no more ends the process. */
function judge (subjects: Subject[]): void {
  process.exitCode = Math.max(...subjects.map(({ exitCode }) => exitCode))
}

/** What is done with news. */
interface Show {
  changed (subject: Subject): void
  finish (subjects: Subject[]): void
}

class JsonLines implements Show {
  changed (subject: Subject): void {
    write([asJson(subject)])
  }

  finish (): void {}
}

/** For files and pipes: the whole at the start and at the end, between them a line for each change. */
class Changes implements Show {
  readonly #told = new Map<Subject, string>()

  changed (subject: Subject): void {
    const before = this.#told.get(subject)
    if (before === subject.gist) return
    this.#told.set(subject, subject.gist)
    if (before === undefined) write(subject.lines(most.plain))
    else write([{ ...subject.line, text: `${new Date().toISOString()} ${subject.line.text}` }])
  }

  finish (subjects: Subject[]): void {
    const known = subjects.filter(({ heard }) => heard)
    if (known.length > 0) write([{ text: '' }, ...whole(known, most.plain)])
  }
}

/** For terminals. */
class Frames implements Show {
  readonly #terminal = new Terminal(process.stdout, process.env)
  readonly #subjects: Subject[]
  readonly #beat: NodeJS.Timeout
  #timer: NodeJS.Timeout | undefined

  constructor (subjects: Subject[]) {
    this.#subjects = subjects
    this.#beat = setInterval(() => this.changed(), beat)
  }

  changed (): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#draw()
    }, together)
  }

  finish (): void {
    clearInterval(this.#beat)
    clearTimeout(this.#timer)
    // Whole: a long line may take two, for nothing is drawn over it.
    this.#terminal.close(paint(this.#lines(), this.#terminal))
  }

  #draw (): void {
    const lines = this.#lines()
    const { colours } = this.#terminal
    this.#terminal.draw(({ columns: width, rows }) => paint(lines, { colours, width, height: rows - 1 }))
  }

  #lines (): Line[] {
    return whole(this.#subjects, most.terminal)
  }
}

/** One block for each that has been heard of, with a line between them. */
function whole (subjects: Subject[], items: number): Line[] {
  return subjects
    .map((subject) => subject.lines(items))
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => index === 0 ? lines : [{ text: '' }, ...lines])
}

const asJson = (subject: Subject): Line => ({ text: JSON.stringify(subject.plain) })

function write (lines: Line[]): void {
  const painted = paint(lines, { colours: wantsColours(process.stdout, process.env) })
  process.stdout.write(painted.map((text) => `${text}\n`).join(''))
}

import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { messageOf } from '../../errors.ts'
import { parseArgs } from '../../util/node-util.ts'
import { isTerminal, paint, wantsColours } from '../terminal.ts'
import type { Command } from '../usage.ts'
import { printable } from '../printable.ts'
import { typed, UsageError } from '../usage.ts'
import { LineSplitter } from './lines.ts'
import { LogReader } from './reader.ts'
import { summarize } from './summary.ts'
import type { Input, Summary } from './summary.ts'
import { Tally } from './tally.ts'
import { view } from './view.ts'

const help = `Usage: fastify-graceful report [options] [<file> ...]

Reads the log of a rollout, and says what it told of the ends of its pods, and which values would have been enough for
all of them. A file is a log, or - for standard input, which is read where none is given:

  kubectl logs -l app=shop --prefix --tail=-1 | fastify-graceful report

Lines are JSON as the service wrote them, or as kubectl, the kubelet, Docker, Loki, CloudWatch, Google Cloud or the
journal have them, or the text of pino-pretty. Other lines are skipped.

  --json                 all of it as JSON

Exit code: 0 reports were read, 1 there was none, 2 a file could not be read, 64 a wrong option.`

/** Rows of a list. */
const most = { terminal: 20, plain: 100 } as const
/** The narrowest terminal that is drawn for. */
const narrowest = 20
const standardInput = '-'

const wrong = (message: string): UsageError => new UsageError(`report: ${message}`)

/** `fastify-graceful report`. */
export const report: Command = {
  help: () => help,
  async act (args) {
    const { values, positionals } = parse(args)
    if (values.help === true) return 'help'
    if (positionals.length === 0 && process.stdin.isTTY) {
      throw wrong('expected files, or a log on standard input, got neither')
    }
    const files = [...new Set(positionals.length === 0 ? [standardInput] : positionals)]
    // Whoever reads no more (`head`) is no error.
    process.stdout.on('error', () => process.exit())
    const { summary, problems } = await read(files)
    for (const problem of problems) process.stderr.write(`fastify-graceful: report: ${problem}\n`)
    process.exitCode = problems.length > 0 ? 2 : summary.reports === 0 ? 1 : 0
    if (values.json === true) write(JSON.stringify(summary, null, 2))
    else if (isEmpty(summary)) write(nothing(summary))
    else show(summary)
    return undefined
  }
}

function parse (args: string[]): { values: { json?: boolean, help?: boolean }, positionals: string[] } {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }
    })
  } catch (error) {
    throw wrong(typed(messageOf(error)))
  }
}

/** Reads one file after the other, and holds none of them. */
async function read (files: string[]): Promise<{ summary: Summary, problems: string[] }> {
  const input: Input = { files: files.map(nameOf), lines: 0, others: 0, tooLong: 0, broken: 0 }
  const tally = new Tally()
  const problems: string[] = []
  const stop = new AbortController()
  // What has been read by then is told: `kubectl logs --follow` has no end of its own.
  const stopped = (): void => stop.abort()
  process.once('SIGINT', stopped)
  for (const file of files) {
    if (stop.signal.aborted) break
    const reader = new LogReader(nameOf(file), input, (record) => tally.add(record))
    const lines = new LineSplitter((line) => reader.line(line))
    try {
      // oxlint-disable-next-line no-await-in-loop -- one log after the other
      await pass(file === standardInput ? process.stdin : createReadStream(file), lines, stop.signal)
    } catch (error) {
      problems.push(printable(`cannot read ${file}: ${messageOf(error)}`))
    }
    lines.end()
    reader.end()
    input.tooLong += lines.tooLong
    input.lines += lines.tooLong
  }
  process.off('SIGINT', stopped)
  tally.end()
  return { summary: summarize(tally, input), problems }
}

/** Settles at the end of what is read, or when it is to stop. */
function pass (stream: Readable, lines: LineSplitter, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => lines.push(chunk))
    stream.once('end', () => resolve())
    stream.once('error', reject)
    stop.addEventListener('abort', () => {
      stream.destroy()
      resolve()
    }, { once: true })
  })
}

const nameOf = (file: string): string => file === standardInput ? 'standard input' : printable(file)

/** Whether there is neither a report nor anything else to tell. */
function isEmpty ({ reports, unreported, waited, blocked, warnings }: Summary): boolean {
  return reports + unreported.length + waited.length + blocked.length + warnings.length === 0
}

function nothing ({ input: { lines, tooLong, broken } }: Summary): string {
  const skipped = tooLong + broken === 0 ? '' : ` (${tooLong} too long, ${broken} incomplete)`
  return `No report of fastify-graceful in ${lines} lines${skipped}. It is the line with "graceful.report" at a `
    + "service's end, at level info."
}

function show (summary: Summary): void {
  const { stdout, env } = process
  const isShown = isTerminal(stdout, env)
  const width = stdout.isTTY ? Math.max(narrowest, stdout.columns || 80) : Infinity
  const lines = view(summary, { width, most: isShown ? most.terminal : most.plain })
  write(paint(lines, { colours: wantsColours(stdout, env) }).join('\n'))
}

function write (text: string): void {
  process.stdout.write(`${text}\n`)
}

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { Summary } from '../../../lib/cli/report/summary.ts'
import { textWidth } from '../../../lib/cli/cells.ts'
import { cleanEnv } from '../../support/clean-env.ts'
import { lineOf, wholeLog } from './sample.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const cli = join(root, 'dist/cli/index.js')
const folder = mkdtempSync(join(tmpdir(), 'graceful-report-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const file = (name: string, text: string | string[]): string => {
  const path = join(folder, name)
  writeFileSync(path, typeof text === 'string' ? text : text.map((line) => `${line}\n`).join(''))
  return path
}

interface Outcome { code: number | null, out: string, errors: string }

function outcomeOf (child: ChildProcess): Promise<Outcome> {
  let [out, errors] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { out += text })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { errors += text })
  return new Promise((resolve) => { child.once('close', (code) => resolve({ code, out, errors })) })
}

/** Runs a program as a user does, with a text on its standard input. */
function run (command: string[], input: string | Buffer = ''): Promise<Outcome> {
  const child = spawn('env', [...cleanEnv, ...command], { cwd: root })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return outcomeOf(child)
}

const report = (args: string[], input?: string): Promise<Outcome> => run([process.execPath, cli, 'report', ...args], input)
const json = async (args: string[], input?: string): Promise<Summary> =>
  JSON.parse((await report(['--json', ...args], input)).out) as Summary

/** The command in a terminal of so many columns. */
function inTerminal (columns: number, args: string): Promise<Outcome> {
  const names = ['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'NO_COLOR', 'FORCE_COLOR'].map((name) => `-u ${name}`).join(' ')
  return outcomeOf(spawn('script', [
    '-qec', `stty cols ${columns} rows 24; exec env ${names} TERM=xterm '${process.execPath}' '${cli}' report ${args}`, '/dev/null'
  ], { stdio: ['pipe', 'pipe', 'inherit'] }))
}

/** A service that runs. */
interface Service {
  url: URL
  stop (): void
  /** Waits for a line of its log. */
  said (pattern: RegExp): Promise<RegExpExecArray>
}

/** The log of the example service from its start to its end, which comes when `during` has settled. */
async function logOf (
  t: Pick<Test, 'teardown'>,
  env: NodeJS.ProcessEnv,
  during: (service: Service) => Promise<unknown>
): Promise<string> {
  const variables = { HOST: '127.0.0.1', PORT: '0', GRACEFUL_PLATFORM: 'false', ...env }
  const without = ['KUBERNETES_SERVICE_HOST', 'NODE_ENV'].flatMap((name) => ['-u', name])
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  const child = spawn('env', [...cleanEnv, ...without, ...settings, process.execPath, join(root, 'examples/service/server.js')])
  t.teardown(() => child.kill('SIGKILL'))
  const ended = outcomeOf(child)
  let text = ''
  child.stdout.on('data', (chunk: string) => { text += chunk })
  const said = (pattern: RegExp): Promise<RegExpExecArray> => new Promise((resolve) => {
    const look = (): void => {
      const found = pattern.exec(text)
      if (found === null) return
      child.stdout.off('data', look)
      resolve(found)
    }
    child.stdout.on('data', look)
    look()
  })
  const [, address = ''] = await said(/listening at (http:[^" ]+)/)
  await during({ url: new URL(address), stop: () => child.kill('SIGTERM'), said })
  return (await ended).out
}

/** Asks for an answer that takes longer than the grace period, and stops the service meanwhile. */
async function cut ({ url, stop, said }: Service): Promise<void> {
  const answer = fetch(new URL('/products/1/offer?patience=5000', url)).catch(() => {})
  await said(/"url":"\/products\/1\/offer/)
  stop()
  await answer
}

/** New connections without a pause, until one is refused. */
async function late ({ url, stop }: Service): Promise<void> {
  const once = (): Promise<boolean> => new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write('GET /products/1 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n')
    })
    socket.resume().once('close', (hadError) => resolve(!hadError))
    socket.once('error', () => {})
  })
  await once()
  stop()
  while (await once());
}

const ends = (async () => {
  const [clean, ofCut, ofLate] = await Promise.all([
    logOf(t, {}, async ({ url, stop }) => {
      await (await fetch(new URL('/products/1', url))).json()
      stop()
    }),
    logOf(t, { TERMINATION_GRACE_PERIOD_SECONDS: '2' }, cut),
    logOf(
      t,
      { GRACEFUL_ANNOUNCE_MIN_SECONDS: '0.3', GRACEFUL_ANNOUNCE_MAX_SECONDS: '0.5', TERMINATION_GRACE_PERIOD_SECONDS: '10' },
      late
    )
  ])
  return { clean, cut: ofCut, late: ofLate }
})()

// Scenario (Logs): What the log of many ends tells together, and one set of values for all of them
t.test('the log of real ends: what they told, and what to set', async (t) => {
  const logs = await ends
  const files = Object.entries(logs).map(([name, text]) => file(`${name}.log`, text))
  const { code, out, errors } = await report(files)
  t.equal(code, 0, errors)
  t.match(out, /^3 reports of 1 pod: .*1 cut/)
  t.match(out, /\n {2}GET \/products\/:id\/offer +×1 +1 report/)
  t.match(out, /\nlate connections: \d+ in 1 report; others were refused\n/)
  t.match(out, /\n {2}127\.0\.0\.1 +\d+ +1 report\n/)
  t.match(out, /\n {2}announce\.min .*GRACEFUL_ANNOUNCE_MIN_SECONDS=[12], chart announce\.minSeconds: [12]\n/)
  t.match(out, /\n {2}announce\.max .*GRACEFUL_ANNOUNCE_MAX_SECONDS=[12],/)
  t.match(out, /\n {2}gracePeriod at least .*TERMINATION_GRACE_PERIOD_SECONDS=\d+,/)

  const summary = await json(files)
  t.equal(summary.reports, 3)
  t.same(summary.unreported, [])
  const all = Object.values(logs).join('')
  t.same({ ...await json([], all), input: 0 }, { ...summary, input: 0 }, 'on standard input')
  t.same({ ...await json([...files, ...files, '-'], all), input: 0 }, { ...summary, input: 0 }, 'and again')
})

// Scenario (Logs): The same log as the kubelet, Loki, CloudWatch, jq and pino-pretty have it
t.test('the same log as others have it', async (t) => {
  const { clean, cut: ofCut, late: ofLate } = await ends
  const lines = [clean, ofCut, ofLate].flatMap((text) => text.trimEnd().split('\n'))
  const { pods, cut: wasCut, late: wasLate, advice, phases, lastArrivals } = await json([], lines.join('\n'))
  const told = { cut: wasCut, late: wasLate, advice, phases, lastArrivals }
  const stamp = '2026-11-29T20:26:20.982123456Z'
  // It leaves the name of the host out, unless it is told what else.
  const pretty = join(root, 'node_modules/pino-pretty/bin.js')
  const prettyOf = async (...args: string[]): Promise<string> =>
    (await run([process.execPath, pretty, ...args], `${lines.join('\n')}\n`)).out
  // Real pieces of the kubelet have 16 KiB; smaller ones are no other form.
  const pieces = lines.flatMap((line) => line.length < 600
    ? [`${stamp} stdout F ${line}`]
    : [`${stamp} stdout P ${line.slice(0, 600)}`, `${stamp} stdout F ${line.slice(600)}`])
  const texts = {
    'pino-pretty': await prettyOf('--ignore', 'time'),
    'pino-pretty --colorize': await prettyOf('--colorize', '--ignore', 'x'),
    'pino-pretty --singleLine': await prettyOf('--singleLine', '--ignore', 'x'),
    'pino-pretty --ignore time,event': await prettyOf('--ignore', 'time,event'),
    'the kubelet': pieces.join('\n'),
    'jq': lines.map((line) => JSON.stringify(JSON.parse(line), null, 2)).join('\n'),
    'CloudWatch': JSON.stringify({ events: lines.map((message) => ({ message })) }, null, 4),
    'logcli': lines.map((line) => JSON.stringify({ labels: {}, line })).join('\n')
  }
  for (const [name, text] of Object.entries(texts)) {
    const summary = await json([], text)
    t.same(summary.pods.map(({ name: pod, pid, summary: said }) => [pod, pid, said]),
      pods.map(({ name: pod, pid, summary: said }) => [pod, pid, said]), name)
    t.match(summary, told, name)
  }
})

t.test('exit codes, and what is said of a wrong use', async (t) => {
  const good = file('good.log', [lineOf()])
  const other = file('other.log', ['{"level":30}', 'x'])
  t.match(await report([good]), { code: 0, errors: '' })
  t.match(await report([other]), { code: 1, out: /^No report of fastify-graceful in 2 lines\. /, errors: '' })
  t.match(await report([]), { code: 1, out: /in 0 lines/ }, 'nothing on standard input')
  t.equal((JSON.parse((await report(['--json', other])).out) as Summary).reports, 0)
  t.match(
    await report([good, join(folder, 'missing')]),
    { code: 2, out: /^1 report of 1 pod/, errors: /^fastify-graceful: report: cannot read .*missing: ENOENT/ }
  )
  t.match(await report([folder]), { code: 2, errors: /cannot read .*: EISDIR/ })
  t.match(await report(['--nothing']), { code: 64, out: '', errors: /^fastify-graceful: report: .*--nothing.*\nSee fastify-graceful report --help\n$/s })
  t.match(
    await inTerminal(80, ''),
    { code: 64, out: /expected files, or a log on standard input, got neither/ },
    'a terminal is no log'
  )
  for (const args of [['report', '--help'], ['help', 'report']]) {
    t.match(await run([process.execPath, cli, ...args]), { code: 0, out: /^Usage: fastify-graceful report / })
  }
  t.match(await run([process.execPath, cli, '--help']), { code: 0, out: /\n {2}report +reads the log of a rollout/ })
})

t.test('terminals of several widths', async (t) => {
  const path = file('whole.log', wholeLog())
  for (const columns of [20, 43, 80, 132, 250]) {
    const { code, out } = await inTerminal(columns, `'${path}'`)
    t.equal(code, 0)
    // oxlint-disable-next-line no-control-regex -- that is what is looked for
    const lines = out.replaceAll(/\u001B\[[\d;]*m/g, '').split('\r\n')
    t.same(lines.filter((line) => textWidth(line) > columns), [], `${columns} columns`)
    t.match(out, '\u001B[31m', 'with colours')
    // oxlint-disable-next-line no-control-regex -- that is what is looked for
    t.notMatch(out.replaceAll(/\u001B\[[\d;]*m|\r\n/g, ''), /[\u0000-\u001F]/)
  }
  t.notMatch((await report([path])).out, '\u001B', 'a pipe has none')
})

// Scenario (Attacks, and failures of the plugin's own code): Lines of a log that are endless, deep, cut off or steer the
// terminal of whoever reads it with the command
t.test('a large log is not held in memory', async (t) => {
  const noise = Array.from({ length: 400 }, (_, index) => JSON.stringify({ level: 30, reqId: `req-${index}`, msg: 'x'.repeat(80) }))
  const block = Buffer.from(`${noise.join('\n')}\n`)
  const child = spawn('env', [...cleanEnv, process.execPath, '--max-old-space-size=24', cli, 'report', '--json'])
  t.teardown(() => child.kill('SIGKILL'))
  const outcome = outcomeOf(child)
  const write = (data: Buffer | string): Promise<void> => new Promise((resolve) => { child.stdin.write(data, () => resolve()) })
  let lines = 0
  for (let bytes = 0; bytes < 50 * 2 ** 20; bytes += block.length) {
    await write(block)
    lines += noise.length
    if (lines % 20_000 === 0) await write(`${lineOf({}, { pid: ++lines })}\n`)
  }
  // A line of 20 MiB, and after it another one.
  for (let piece = 0; piece < 20; piece++) await write(Buffer.alloc(2 ** 20, 120))
  child.stdin.end(`\n${lineOf()}\n`)
  const { code, out, errors } = await outcome
  t.equal(code, 0, errors)
  const { reports, input } = JSON.parse(out) as Summary
  t.match(input, { tooLong: 1, broken: 0, lines: lines + 2 })
  t.ok(reports >= 2)
})

t.test('what has been read is told when somebody interrupts', async (t) => {
  const child = spawn('env', [...cleanEnv, process.execPath, cli, 'report'])
  t.teardown(() => child.kill('SIGKILL'))
  const outcome = outcomeOf(child)
  // More than a pipe holds: when it is gone, what came first has been read.
  await new Promise((resolve) => { child.stdin.write(`${lineOf()}\n${'x\n'.repeat(2 ** 19)}`, resolve) })
  child.kill('SIGINT')
  t.match(await outcome, { code: 0, out: /^1 report of 1 pod/ })
})

// A drill of a cluster reads the pods' logs as `report` does, and is loaded when it is asked for.
t.test('other commands do not load it', (t) => {
  const text = (name: string): string => readFileSync(join(root, 'dist', name), 'utf8')
  const names = readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.js'))
  const [reader = '', ...others] = names.filter((name) => text(name).includes('logStreamName'))
  t.same(others, [])
  const loadedWith = (name: string, found = new Set<string>()): Set<string> => {
    if (found.has(name)) return found
    found.add(name)
    for (const [, other = ''] of text(name).matchAll(/from ?"\.\/(chunk-[^"]+)"/g)) loadedWith(other, found)
    return found
  }
  const loadedLater = (name: string): string[] =>
    [...text(name).matchAll(/import\([`"']\.\/(chunk-[^`"']+)[`"']\)/g)].map(([, other = '']) => other)
  const [start = ''] = names.toSorted((a, b) => loadedLater(b).length - loadedLater(a).length)
  const commands = loadedLater(start)
  t.equal(commands.length, 5, 'a chunk for each command but the probe alone')
  t.notOk(loadedWith(start).has(reader))
  t.equal(commands.filter((name) => loadedWith(name).has(reader)).length, 1)
  t.end()
})

import { execFileSync } from 'node:child_process'
import {
  existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync
} from 'node:fs'
import { get } from 'node:http'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { readEnvironment } from '../../lib/environment.ts'
import { EndFile, forgetEnds, takeUnfinished } from '../../lib/platform/end-file.ts'
import type { EndRecord } from '../../lib/platform/end-file.ts'
import { fork, listening } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'
import { service as served, start, until } from '../supervisor/tree.ts'

t.jobs = 4
t.setTimeout(120_000)

function directory (t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'graceful-state-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const logger = { fastify: { logger: true } }
const told = (output: string): object[] => output.split('\n')
  .filter((line) => line.includes('"graceful.predecessor"'))
  .map((line) => JSON.parse(line) as object)

/** Ends a service in order, and answers what it has said of those before it. */
async function endOf (service: Fork): Promise<object[]> {
  await listening(service)
  service.kill('SIGTERM')
  const [code, , output] = await service.result
  return code === 0 ? told(output) : [{ code, output }]
}

// Scenario (Signals and exit): A SIGKILL in the midst of an end, which nobody can log, is told by the next start
t.test('a service that is killed in its end, and its successors', async (t) => {
  const state = directory(t)
  const env = { GRACEFUL_STATE_DIRECTORY: state, GRACEFUL_PLATFORM: 'digitalocean' }
  const stubborn = fork('app.js', { env, given: { ...logger, stall: true, options: { announce: { max: 1000 } } } })
  await listening(stubborn)
  t.same(readdirSync(state), [], 'nothing is left while it serves')
  stubborn.kill('SIGTERM')
  await stubborn.waitForLine(/^draining$/m)
  await until(() => readFileSync(join(state, readdirSync(state)[0]!), 'utf8').includes('"draining"'), 'it is noted')

  t.same(await endOf(fork('app.js', { env, given: logger })), [], 'another replica sees that it is there')
  t.equal(readdirSync(state).length, 1, 'and takes away its own only')

  stubborn.kill('SIGKILL')
  t.match(await stubborn.result, [null, 'SIGKILL'])
  const [line, ...more] = await endOf(fork('app.js', { env, given: logger }))
  t.match(line, {
    level: 40, childPid: stubborn.child.pid, phase: 'draining', reason: 'SIGTERM', planned: 120_000, restarted: false,
    msg: /^fastify-graceful: process \d+ of this service did not come to its end by SIGTERM: its last sign, in phase 'draining', came [\d.]+ s after that, and 120 s were planned; who kills gives less than that: set gracePeriod \(TERMINATION_GRACE_PERIOD_SECONDS\) to what it is \(DigitalOcean App Platform: termination.grace_period_seconds of the app spec, at most 600\)$/
  })
  t.same(more, [])
  t.same(readdirSync(state), [], 'clean ends leave nothing')
  t.same(await endOf(fork('app.js', { env, given: logger })), [], 'once')
})

t.test('whoever ends the process, its file is gone, as long as it is no SIGKILL', async (t) => {
  const state = directory(t)
  const env = { GRACEFUL_STATE_DIRECTORY: state }
  const crashed = fork('crash.js', { env })
  await fetch(`${await listening(crashed)}/crash`)
  t.match(await crashed.result, [1, null])
  t.same(readdirSync(state), [])
})

// Scenario, too: A SIGKILL in the midst of an end…
t.test('a supervisor that is killed with its children', async (t) => {
  const state = directory(t)
  const env = { GRACEFUL_STATE_DIRECTORY: state }
  const killed = start(t, ['run', served], { env })
  const request = get(`http://127.0.0.1:${await killed.port()}/held`).on('error', () => {})
  t.teardown(() => request.destroy())
  await until(() => killed.output().includes('held in'), 'a request is held')
  killed.child.kill('SIGTERM')
  await until(() => readdirSync(state).length > 0 && /"phase":"(?!running)/.test(readFileSync(
    join(state, readdirSync(state)[0]!), 'utf8')), 'it is noted')
  t.equal(readdirSync(state).length, 1, 'children leave none of their own')
  killed.child.kill('SIGKILL')
  await killed.result
  const next = start(t, ['run', served], { env })
  await next.ready()
  next.child.kill('SIGTERM')
  t.same(await next.result, [0, null])
  t.match(told(next.output()), [{ level: 40, name: 'fastify-graceful', childPid: killed.pid, reason: 'SIGTERM' }])
  t.same(readdirSync(state), [])
})

// Scenario, too: A SIGKILL in the midst of an end…
t.test('a termination message that outlives its container says the same', async (t) => {
  const path = join(directory(t), 'message')
  writeFileSync(path, '')
  const env = { GRACEFUL_TERMINATION_MESSAGE_PATH: path }
  const stubborn = fork('app.js', { env, given: { stall: true, options: { announce: { max: 1000 } } } })
  await listening(stubborn)
  stubborn.kill('SIGTERM')
  await stubborn.waitForLine(/^draining$/m)
  t.same(await endOf(fork('app.js', { env: { ...env }, given: logger })), [], 'it is still there')
  writeFileSync(path, JSON.stringify({
    final: false, verdict: 'unfinished', summary: '', phase: 'draining', kind: 'shutdown', reason: 'SIGTERM',
    time: new Date(5000).toISOString(), startedAt: new Date(1000).toISOString(), pid: stubborn.child.pid,
    gracePeriod: 30_000, preStop: 5000
  }))
  stubborn.kill('SIGKILL')
  await stubborn.result
  t.match(await endOf(fork('app.js', { env, given: logger })), [{ elapsed: 4000, planned: 25_000, phase: 'draining' }])
  t.same(await endOf(fork('app.js', { env, given: logger })), [], 'once')
})

t.test('a directory that cannot be used is warned of, and holds nobody', async (t) => {
  const state = directory(t)
  writeFileSync(join(state, 'file'), '')
  for (const name of ['missing', 'file']) {
    const service = fork('app.js', { env: { GRACEFUL_STATE_DIRECTORY: join(state, name) }, given: logger })
    t.same(await endOf(service), [])
    t.match(service.output(), /"event":"graceful.state".*GRACEFUL_STATE_DIRECTORY cannot be used/)
  }
  t.same(readdirSync(state), ['file'])
  for (const path of ['state', './state', ' ', 'a\0b']) {
    t.throws(() => readEnvironment({ GRACEFUL_STATE_DIRECTORY: path }), {
      code: 'FST_GRACEFUL_INVALID_ENVIRONMENT',
      message: /'GRACEFUL_STATE_DIRECTORY' must be an absolute path, got '/
    })
  }
  t.equal(readEnvironment({ GRACEFUL_STATE_DIRECTORY: '' }).stateDirectory, undefined)
})

t.test('which files are taken, and which are left alone', async (t) => {
  const state = directory(t)
  const now = Date.now()
  const own = new EndFile(state)
  const facts = { reason: 'SIGTERM', phase: 'closing' as const, startedAt: now - 9000, until: now + 9000, seen: now - 500 }
  own.write({ ...facts, reason: 'x'.repeat(10_000) })
  own.write(facts)
  const [name = ''] = readdirSync(state)
  const record = JSON.parse(readFileSync(join(state, name), 'utf8')) as EndRecord
  t.match(record, { ...facts, pid: process.pid, host: hostname() })
  t.same(takeUnfinished(state, now + 1e9), { ends: [], again: undefined }, 'this process is there')
  own.remove()
  t.same(readdirSync(state), [])

  const service = name.split('.')[0]!
  const put = (text: string | Partial<EndRecord>, as = `${service}.other.1.end`): string => {
    const path = join(state, as)
    writeFileSync(path, typeof text === 'string' ? text : JSON.stringify({ ...record, ...text }))
    return path
  }
  const take = (at = now): unknown[] => takeUnfinished(state, at).ends
  const cases: Array<[what: string, of: Partial<EndRecord>, goneAt: number]> = [
    ['a process that is gone', { pid: 2 ** 22 + 1 }, 0],
    ['an earlier process of the same number', { began: '1' }, 0],
    ['another boot of this machine', { boot: 'another' }, record.seen + 15_000],
    ['another container of this machine', { host: 'elsewhere' }, record.seen + 15_000],
    ['another container of this name', { space: 'pid:[1]' }, record.seen + 15_000],
    ['another one, whose time is not over', { host: 'elsewhere', until: now + 60_000 }, now + 60_000],
    ['where the kernel tells nothing', { boot: '', space: '' }, record.seen + 15_000]
  ]
  for (const [what, of, goneAt] of cases) {
    const path = put(of)
    if (goneAt > 0) {
      t.same(takeUnfinished(state, goneAt - 1), { ends: [], again: goneAt }, `${what} may be there`)
      t.ok(existsSync(path))
    }
    t.match(take(goneAt), [{ ...record, ...of }], `${what} is told of`)
    t.notOk(existsSync(path), 'once')
  }

  const gone = JSON.stringify({ ...record, began: '1' })
  for (const [what, text] of [
    ['no JSON', 'x'], ['no record', '{}'], ['null', 'null'], ['a list', '[]'], ['half of one', gone.slice(0, 50)],
    ['another phase', gone.replace('closing', 'paused')], ['a text for a time', gone.replace(/"seen":\d+/, '"seen":"1"')],
    ['too long', gone + ' '.repeat(5000)]
  ] as const) {
    const path = put(text)
    t.same(take(), [], what)
    rmSync(path)
  }
  const other = put(gone, 'fastify-graceful-000000000000.other.1.end')
  t.same(take(), [], 'another service')
  renameSync(other, join(state, 'victim'))
  symlinkSync(join(state, 'victim'), join(state, `${service}.link.1.end`))
  linkSync(join(state, 'victim'), join(state, `${service}.hard.1.end`))
  mkdirSync(join(state, `${service}.folder.1.end`))
  execFileSync('mkfifo', [join(state, `${service}.fifo.1.end`)])
  t.same(take(), [], 'no link is followed, and nothing else than a file is opened')
  t.equal(readFileSync(join(state, 'victim'), 'utf8'), gone)

  // What stands where our own file goes is replaced, never written through.
  symlinkSync(join(state, 'victim'), join(state, name))
  const again = new EndFile(state)
  again.write(facts)
  t.equal(readFileSync(join(state, 'victim'), 'utf8'), gone)
  forgetEnds(state)
  t.notOk(existsSync(join(state, name)))
  t.throws(() => again.remove(), { code: 'ENOENT' })
  forgetEnds(join(state, 'missing'))
  forgetEnds(undefined)
  t.throws(() => new EndFile(join(state, 'missing')), { code: 'ENOENT' })
})

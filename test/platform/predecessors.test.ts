import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { Test } from 'tap'
import { lookForUnfinished, UnfinishedEnd } from '../../lib/platform/unfinished.ts'
import type { Surroundings } from '../../lib/platform/surroundings.ts'

const surroundings = { killer: undefined } as unknown as Surroundings
/** A process that is gone. */
const gone = spawnSync(process.execPath, ['-e', '']).pid

interface Line { level: string, fields: Record<string, unknown>, message: string }

function makeLog (): { lines: Line[], log: Parameters<typeof lookForUnfinished>[1] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message: string): void => {
    lines.push({ level, fields: { ...fields }, message })
  }
  return { lines, log: { info: at('info'), warn: at('warn') } }
}

function directory (t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'graceful-state-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** Leaves the end of a process that is gone, as it would have. */
function leave (state: string, change: object): void {
  const [name = ''] = readdirSync(state)
  const path = join(state, name)
  const record = JSON.parse(readFileSync(path, 'utf8')) as object
  rmSync(path)
  const by = name.replace(`.${process.pid}.`, `.${gone}.`)
  writeFileSync(join(state, by), JSON.stringify({ ...record, pid: gone, began: '1', ...change }))
}

const facts = { reason: 'SIGTERM', phase: 'draining', gracePeriod: 30_000, preStop: 5000 } as const

t.test('what the next start says of an end, by how it came to be unfinished', async (t) => {
  const rows: Array<[title: string, change: object, expected: object]> = [
    ['killed early', { startedAt: 0, until: 25_000, seen: 5000 }, {
      level: 'warn',
      fields: { childPid: gone, phase: 'draining', reason: 'SIGTERM', elapsed: 5000, planned: 25_000, restarted: false },
      message: /came 5 s after that, and 25 s were planned; who kills gives less than that: set gracePeriod/
    }],
    ['killed at its deadline', { startedAt: 0, until: 25_000, seen: 24_500 }, {
      level: 'warn', message: /25 s were planned; it had used its time up$/
    }],
    ['gone with its machine', { startedAt: 0, until: 25_000, seen: 5000, boot: 'another' }, {
      level: 'info', fields: { restarted: true }, message: /the machine was started anew since$/
    }]
  ]
  for (const [title, change, expected] of rows) {
    t.test(title, async (t) => {
      const state = directory(t)
      new UnfinishedEnd(state).note(facts)
      leave(state, change)
      const { lines, log } = makeLog()
      new UnfinishedEnd(state).look(log, surroundings)
      t.match(lines, [expected])
      t.equal(lines.length, 1)
      t.same(readdirSync(state), [], 'it is told once')
    })
  }
})

t.test('an end that is under way is nobody else\'s to tell of, and follows its phases', async (t) => {
  const state = directory(t)
  const end = UnfinishedEnd.at(state)
  t.equal(UnfinishedEnd.at(state), end, 'one per process')
  end.note(facts)
  end.note({ ...facts, phase: 'terminated' })
  const { lines, log } = makeLog()
  new UnfinishedEnd(state).look(log, surroundings)
  t.same(lines, [])
  t.match(JSON.parse(readFileSync(join(state, readdirSync(state)[0]!), 'utf8')), {
    phase: 'terminated', reason: 'SIGTERM', pid: process.pid
  })
})

t.test('a directory that cannot be used is said once, and stops nothing', async (t) => {
  const state = join(directory(t), 'file')
  writeFileSync(state, '')
  for (const path of [state, `${state}-missing`]) {
    const end = new UnfinishedEnd(path)
    const { lines, log } = makeLog()
    end.note(facts)
    end.note(facts)
    end.look(log, surroundings)
    end.look(log, surroundings)
    t.match(lines, [{ level: 'warn', fields: { event: 'graceful.state', path }, message: /cannot be used/ }])
    t.equal(lines.length, 1)
  }
})

t.test('a termination message that is not the last one', async (t) => {
  const told = {
    final: false, verdict: 'unfinished', summary: '', phase: 'draining', kind: 'shutdown', reason: 'SIGTERM',
    time: new Date(5000).toISOString(), startedAt: new Date(1000).toISOString(), pid: gone, gracePeriod: 30_000,
    preStop: 5000
  }
  const rows: Array<[title: string, message: object, count: number]> = [
    ['of one that was killed', told, 1],
    ['of one that is there', { ...told, pid: process.ppid }, 0],
    ['the last one', { ...told, final: true }, 0],
    ['without times', { ...told, time: 'x' }, 0]
  ]
  for (const [title, message, count] of rows) {
    const path = join(directory(t), 'message')
    writeFileSync(path, JSON.stringify(message))
    const { lines, log } = makeLog()
    lookForUnfinished({ stateDirectory: undefined, terminationMessagePath: path, surroundings }, log)
    t.equal(lines.length, count, title)
    if (count > 0) t.equal(readFileSync(path, 'utf8'), '', 'it is told once')
  }
})

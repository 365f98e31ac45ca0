import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readTerminationMessage } from '../../lib/platform/kubernetes/message.ts'
import { listening } from '../process/fork.ts'
import { inTime, Stopwatch, unlessLate } from '../support/stopwatch.ts'
import { eventsOf, hanging, markedLine } from './support.ts'

t.jobs = 3
t.setTimeout(240_000)

/** At the deadline 600 ms of it are left: `reserve` is shorter than that. */
const gracePeriod = 2500
const deadline = 1900
/**
 * The exit of one that hangs begins so long before it at most. What `parse` makes of its text are
 * hundreds of megabytes, which the kernel is left time for.
 */
const earliest = (way: string): number => deadline - 250 - (way === 'parse' ? gracePeriod / 4 : 0)

const place = (name: string, way: string): RegExp => new RegExp(`^${name} \\(.*hang\\.js:${markedLine(way)}:\\d+\\)$`)
const caller = /^hang \(.*hang\.js:\d+:\d+\)$/
/** The innermost frames of what can be paused. */
const frames: Record<string, RegExp[]> = {
  loop: [place('spinForEver', 'loop'), caller],
  regexp: [place('matchForEver', 'regexp'), caller],
  wait: [place('waitForEver', 'wait'), caller],
  parse: [place('parseHuge', 'parse'), caller],
  // In a context that has no process.
  vm: [/^renderForEver \(template\.js:1:\d+\)$/, place('renderInContext', 'vm'), caller],
  // And nothing of the application's below it.
  microtask: [/^renderForEver \(template\.js:1:\d+\)$/],
  tick: [/^tickForever \(.*hang\.js:\d+:\d+\)$/]
}

/** What differs between the phases is our own side, and the same on each Node. */
const phases = process.version.startsWith('v20.') ? ['running', 'announcing', 'draining', 'onClose'] : ['running', 'onClose']

for (const way of ['loop', 'parse', 'regexp', 'wait', 'exec', 'fifo', 'vm', 'microtask', 'tick']) {
  for (const phase of ['vm', 'microtask', 'tick'].includes(way)
    ? ['running']
    : phases) {
    t.test(`${way} in ${phase}`, async (t) => {
      const message = t.testdir({ log: '' }) + '/log'
      const app = hanging({
        way,
        ...phase !== 'running' && { phase },
        options: { gracePeriod, watchdog: { enabled: true }, kubernetes: { terminationMessagePath: message } }
      })
      const url = await listening(app)
      if (phase !== 'onClose') {
        fetch(`${url}/slow/5`).catch(() => {})
        await app.waitForLine(/slow begins/)
      }
      if (phase === 'running') {
        fetch(`${url}/hang`).catch(() => {})
        await app.waitForLine(/hanging/)
        // So that the main thread cannot have heard of the signal before.
        await sleep(50)
      }
      const startWall = Date.now()
      const watch = new Stopwatch(app.child.pid)
      app.kill('SIGTERM')
      const [code, signal, output] = await app.result
      const { late } = watch.stop()
      const isLate = late > 100
      // A fast machine has read the huge text by the deadline and calls the reviver, where a pause is possible; a slow
      // one is reading still.
      const native = way === 'parse' ? signal === 'SIGKILL' : frames[way] === undefined
      // Endless ticks fill the memory, and on a machine that is late nothing can be run in between: no exit
      // listener, and no look.
      const isCutOff = native || (way === 'tick' && isLate && signal === 'SIGKILL')
      t.strictSame([code, signal], isCutOff ? [null, 'SIGKILL'] : [1, null], output)
      inTime(t, watch, [earliest(way), deadline + 500], 'gone at')
      t.match(output, isCutOff ? /hanging/ : /exit listener 1/, 'an exit runs the exit listeners')
      const [line, ...more] = eventsOf(output, 'graceful.killed')
      t.equal(more.length, 0)
      t.match(line, {
        level: 60,
        phase: phase === 'onClose' ? 'terminated' : phase,
        reason: 'SIGTERM',
        exitCode: 1,
        silence: Number,
        hostname: String,
        time: Number
      })
      if (native) {
        if (way === 'parse') {
          t.match(line, {
            msg: /at an unknown place.*could not be paused in time/
          }, 'what computes may as well be JavaScript')
        } else {
          t.match(line, { native: true, msg: /inside native code, waiting for the kernel/ })
        }
      } else if (way === 'tick' && isLate && line?.['blockedIn'] === undefined) {
        t.match(line, { msg: /inside Node's own code$/ }, 'each step on from there takes its time on a busy machine')
      } else {
        t.match(line, {
          blockedIn: frames[way]![0],
          stack: frames[way],
          msg: /the event loop has not turned for \d+ ms, in \w+ \(/
        })
      }
      const requests = line?.['requests'] as Array<{ route: string }>
      // Native code leaves what was known when the phase began, or a second before.
      // The clock of their ages is coarse, so either may come first.
      const routes = requests.map(({ route }) => route).toSorted()
      const expected = phase === 'running' ? ['/hang', '/slow/:id'] : ['/slow/:id']
      // As where it is cut off: on a busy machine a main thread that has to be led out of its ticks has no time
      // left to say more.
      const isBrief = (isCutOff || (way === 'tick' && isLate)) && phase === 'running'
      if (phase !== 'onClose') {
        t.strictSame(
          routes,
          isBrief ? expected.filter((route) => routes.includes(route)) : expected,
          'the patterns, never the URLs'
        )
      }
      t.match(readTerminationMessage(message), {
        final: true,
        verdict: 'failed',
        phase: line?.['phase'],
        reason: 'SIGTERM',
        exitCode: 1,
        summary: line?.msg,
        silence: line?.['silence'],
        blockedIn: line?.['blockedIn'],
        native: line?.['native']
      }, 'and the same is the termination message')
      const { startedAt = '', duration = 0 } = readTerminationMessage(message) ?? {}
      inTime(t, { time: Date.parse(startedAt) - startWall, late }, [-200, 200], 'its end has begun with the signal, but for')
      t.ok(duration > 1000)
      if (!native && phase === 'onClose') t.match(line?.['stalledBy'], [{ name: 'close' }])
    })
  }
}

t.test('what the kernel takes for the memory is before the end of the grace period', async (t) => {
  // Drained to the last, so that the hang is noticed as late as can be.
  const app = hanging({
    way: 'exec',
    phase: 'onClose',
    memory: 1024,
    options: { gracePeriod: 2000, watchdog: { enabled: true } }
  })
  const url = await listening(app)
  fetch(`${url}/slow/5`).catch(() => {})
  await app.waitForLine(/slow begins/)
  const watch = new Stopwatch(app.child.pid)
  app.kill('SIGTERM')
  const startWall = Date.now()
  const [code, signal] = await once(app.child, 'exit')
  watch.stop()
  t.strictSame([code, signal], [null, 'SIGKILL'])
  const { time: told = Infinity } = eventsOf(app.output(), 'graceful.killed')[0] as { time?: number } | undefined ?? {}
  inTime(t, { time: told - startWall, late: watch.late }, [0, 1800], 'told at')
  // The kernel needs a processor for it, which it waits for in the name of the process. A quarter of the grace period is
  // planned for it at most.
  const { time, late } = watch
  const holds = time <= 2000 + late
  const kill = time - (told - startWall)
  const needed = holds ? 0 : await killTimeOf(1024)
  unlessLate(t, holds, `gone at ${Math.round(time)} ms, ${Math.round(kill)} ms after the last word`, needed, kill / 2)
})

/** Milliseconds from SIGKILL to the end of a process that holds so many MiB and does nothing, the longest of three. */
async function killTimeOf (memory: number): Promise<number> {
  const times = []
  for (let turn = 0; turn < 3; turn++) {
    const app = hanging({ memory, options: { watchdog: { enabled: true } } })
    await listening(app)
    const watch = new Stopwatch()
    app.kill('SIGKILL')
    await once(app.child, 'exit')
    times.push(watch.stop().time)
  }
  return Math.max(...times)
}

t.test('a request that is younger than a second is named, where native code hangs', async (t) => {
  const app = hanging({ way: 'exec', options: { gracePeriod, watchdog: { enabled: true } } })
  const url = await listening(app)
  fetch(`${url}/slow/5`).catch(() => {})
  fetch(`${url}/later?ms=400`).catch(() => {})
  await app.waitForLine(/hanging/)
  app.kill('SIGTERM')
  await once(app.child, 'exit')
  const [{ requests } = { requests: [] }] = eventsOf(app.output(), 'graceful.killed') as Array<{
    requests?: Array<{ route: string, age: number }>
  }>
  t.strictSame(requests?.map(({ route }) => route).toSorted(), ['/later', '/slow/:id'], 'the one that hangs it, too')
  t.ok(requests?.every(({ age }) => age > 1500), 'as old as they are now')
})

t.test('no descriptor is left', async (t) => {
  const message = t.testdir({ log: '' }) + '/log'
  const app = hanging(
    {
      way: 'loop',
      exhaust: true,
      options: { gracePeriod, watchdog: { enabled: true }, kubernetes: { terminationMessagePath: message } }
    },
    { under: ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh'] }
  )
  const url = await listening(app)
  fetch(`${url}/hang`).catch(() => {})
  await app.waitForLine(/^no descriptor is left: EMFILE$/m)
  // The service's log comes on another way, and may be in between.
  await app.waitForLine(/^hanging$/m)
  app.kill('SIGTERM')
  const [code, signal, output] = await app.result
  t.strictSame([code, signal], [1, null], output)
  t.match(eventsOf(output, 'graceful.killed'), [{ blockedIn: frames['loop']![0] }])
  t.match(readTerminationMessage(message), { final: true, blockedIn: frames['loop']![0] }, 'one is kept for the end')
})

t.test('a terminal that was stopped, and cannot be opened anew, holds nobody', async (t) => {
  const message = t.testdir({ log: '' }) + '/log'
  const given = {
    way: 'loop',
    deny: true,
    options: { gracePeriod, watchdog: { enabled: true }, kubernetes: { terminationMessagePath: message } }
  }
  // A superuser may open what nobody may.
  const under = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
  const app = hanging(given, { terminal: true, under })
  const url = await listening(app)
  fetch(`${url}/hang`).catch(() => {})
  await app.waitForLine(/hanging/)
  const inside = Number(readFileSync(`/proc/${app.child.pid}/task/${app.child.pid}/children`, 'utf8'))
  app.child.stdin?.write('\x13')
  const watch = new Stopwatch(inside)
  process.kill(inside, 'SIGTERM')
  await once(app.child, 'exit')
  inTime(t, watch.stop(), [0, gracePeriod], 'gone at')
  t.notMatch(app.output(), /graceful\.killed/, 'nobody could read it')
  // The pause is late on a machine that is.
  const told = readTerminationMessage(message)
  t.equal(told?.final, true, 'but here it is')
  unlessLate(t, frames['loop']![0]!.test(told?.blockedIn ?? ''), `named: ${told?.blockedIn}`, watch.late, 100)
})

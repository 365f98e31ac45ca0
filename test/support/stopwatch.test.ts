import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { inTime, Stopwatch, unlessLate } from './stopwatch.ts'

/** Blocks this thread without a processor, as a call into the kernel does. */
const block = (ms: number): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms) }

/** Computes on one processor, as child of a process that rests or by itself. */
async function compute (t: Test, nice: number, isChild = false): Promise<number> {
  const computing = ['taskset', '-c', '0', 'nice', '-n', `${nice}`, 'sh', '-c', 'echo; while :; do :; done']
  const command = isChild ? ['sh', '-c', '"$@" & wait', 'sh', ...computing] : computing
  const child = spawn('env', command, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  t.teardown(() => { process.kill(-child.pid!, 'SIGKILL') })
  await once(child.stdout, 'data')
  return child.pid!
}

t.test('what the kernel keeps a process waiting is late, and what its child waits for', async (t) => {
  const pids = [await compute(t, 19), await compute(t, 19, true)]
  const watches = pids.map((pid) => new Stopwatch(pid))
  await compute(t, 0)
  await sleep(500)
  for (const watch of watches) {
    const { time, late } = watch.stop()
    t.ok(late > time / 3, `${late} of ${time} ms`)
    t.same([watch.time, watch.late], [time, late], 'it has stopped')
  }
})

t.test('what a child computed before the clock began is not counted, and what a new one computes is', async (t) => {
  const parent = spawn('sh', ['-c', 'read go; sh -c "while :; do :; done" & wait'], {
    stdio: ['pipe', 'ignore', 'inherit'], detached: true
  })
  t.teardown(() => { process.kill(-parent.pid!, 'SIGKILL') })
  const watch = new Stopwatch(parent.pid)
  parent.stdin.write('\n')
  await sleep(1000)
  const { late: whole, time } = watch.stop()
  t.ok(whole <= time + 200, `${whole} of ${time} ms`)
  const second = new Stopwatch(parent.pid)
  await sleep(300)
  second.stop()
  t.ok(second.late <= second.time + 200, `${second.late} of ${second.time} ms`)
})

t.test('a process that blocks itself gains nothing by that', async (t) => {
  const begun = performance.now()
  const watch = new Stopwatch(process.pid)
  const observer = new Stopwatch()
  block(300)
  // The rest of the time is the machine's.
  const machine = (own: number): number => performance.now() - begun - own
  const { late } = watch
  t.ok(late < machine(300) + 50, `${late} ms, of which the machine has at most ${machine(300)}`)
  t.ok(observer.late >= 250, `${observer.late} ms: who watches others has heard nothing meanwhile`)
  await sleep(30)
  t.ok(watch.stop().late < machine(330) + 50)
  t.ok(observer.late < machine(30) + 50, 'which counts once')
  observer.restart()
  const again = performance.now()
  t.ok(observer.time <= performance.now() - again + 50)
  t.ok(observer.stop().late <= performance.now() - again + 50, 'and not after it has begun anew')
})

t.test('a process that has ended keeps its figure, and one that never was has none', async (t) => {
  const child = spawn('true')
  const watch = new Stopwatch(child.pid)
  await once(child, 'exit')
  t.ok(watch.stop().late < watch.time + 100)
  t.equal(new Stopwatch(process.pid, 2 ** 22 + 1).stop().late < 100, true)
})

t.test('a bound gives way to what was measured, and to no more', async (t) => {
  const seen: Array<[holds: boolean, text: string]> = []
  const fake = { ok: (holds: boolean, text: string) => seen.push([holds, text]) } as unknown as Test
  for (const [time, late] of [[100, 0], [101, 0], [150, 50], [151, 50], [49, 1000]] as const) {
    inTime(fake, { time, late }, [50, 100], 'gone after')
  }
  t.same(seen.map(([holds]) => holds), [true, false, true, false, false])
  t.equal(seen[3]?.[1], 'gone after 151 ms, expected 50 to 100, on a machine that was 50 ms late')
  inTime(fake, { time: 1.4, late: 0 }, [0, 1])
  t.same(seen.at(-1), [false, 'it took 1 ms, expected 1 at most, on a machine that was 0 ms late'])
})

t.test('what cannot be judged is skipped where it does not hold, and says why', async (t) => {
  const seen: unknown[] = []
  const fake = {
    ok: (holds: boolean, _what: string, { skip }: { skip: string | false }) => seen.push([holds, skip])
  } as unknown as Test
  for (const holds of [true, false]) for (const late of [100, 101]) unlessLate(fake, holds, 'so', late, 100)
  t.same(seen, [[true, false], [true, false], [false, false], [true, 'on a machine that was 101 ms late']])
})

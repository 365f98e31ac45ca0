import { PassThrough, Writable } from 'node:stream'
import pino from 'pino'
import t from 'tap'
import { flushLogger } from '../../lib/process/exit.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** A stream that takes its time over each chunk. */
class Slow extends Writable {
  readonly taken: string[] = []

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    setTimeout(() => {
      this.taken.push(String(chunk).trim())
      done()
    }, 5)
  }
}

// Scenario (Logs): Loggers of other makes, and none (close-with-grace, fastify-graceful-shutdown)
t.test('loggers that have nothing to flush', async (t) => {
  for (const log of [console, {}, undefined, null, 'text', () => {}, { flush: 'soon' }]) await flushLogger(log)
  t.pass('all answered')
})

// Scenario, too: Loggers of other makes…
t.test('a flush of its own', async (t) => {
  const order: string[] = []
  await flushLogger({ flush: (callback: () => void) => setTimeout(() => { order.push('callback'); callback() }, 5) })
  await flushLogger({ flush: async (_callback: unknown) => { order.push('promise') } })
  await flushLogger({ flush: () => { order.push('at once') } })
  await flushLogger({ flush: () => { throw new Error('broken') } })
  await flushLogger({ flush: (_callback: unknown) => Promise.reject(new Error('broken')) })
  await flushLogger({ flush: (callback: (error: Error) => void) => callback(new Error('broken')) })
  t.strictSame(order, ['callback', 'promise', 'at once'])
})

t.test('a plain stream under pino, through a child logger', async (t) => {
  const slow = new Slow()
  const log = pino({ base: null, timestamp: false }, slow).child({ child: true })
  for (let i = 0; i < 5; i++) log.info(String(i))
  t.ok(slow.taken.length < 5)
  await flushLogger(log)
  t.equal(slow.taken.length, 5)
})

t.test('streams that are piped on, and several of them', async (t) => {
  const one = new Slow({ highWaterMark: 1 })
  const two = new Slow({ highWaterMark: 1 })
  const pipe = new PassThrough()
  pipe.pipe(new PassThrough()).pipe(one)
  pipe.pipe(two)
  const broken = new Slow()
  broken.destroy()
  const direct = new Slow()
  const log = pino({ base: null, timestamp: false }, pino.multistream([{ stream: pipe }, { stream: direct }]))
  for (let i = 0; i < 20; i++) log.info(String(i))
  await flushLogger(log)
  t.equal(one.taken.join('').match(/msg/g)?.length, 20)
  t.equal(two.taken.join('').match(/msg/g)?.length, 20)
  t.equal(direct.taken.length, 20)
  await flushLogger(pino(broken))
})

t.test('a stream whose write somebody has replaced', async (t) => {
  const cases: Array<[name: string, pass: (to: Slow, chunk: string, done?: () => void) => boolean, taken: number]> = [
    ['and passes on to a slower one', (to, chunk, done) => to.write(chunk, done), 5],
    ['and passes on without a word', (to, chunk) => to.write(chunk), 5],
    ['and says at once that it has written', (_to, _chunk, done) => { done?.(); return true }, 0],
    ['and never says so', () => true, 0],
    ['and fails', (_to, chunk) => { if (chunk === '') throw new Error('broken'); return true }, 0]
  ]
  for (const [name, pass, taken] of cases) {
    const [replaced, to] = [new Slow(), new Slow()]
    replaced.write = ((chunk: string, _encoding?: string, done?: () => void) =>
      pass(to, chunk, done)) as typeof replaced.write
    const log = pino({ base: null, timestamp: false }, replaced)
    for (let i = 0; i < 5; i++) log.info(String(i))
    const watch = new Stopwatch(process.pid)
    await flushLogger(log)
    t.equal(to.taken.filter((line) => line !== '').length, taken, name)
    inTime(t, watch.stop(), [0, 1000], `${name}:`)
  }

  const lines: string[] = []
  const log = pino({ base: null, timestamp: false }, { write: (line: string) => { lines.push(line) } })
  log.info('once')
  await flushLogger(log)
  t.equal(lines.length, 1, 'a destination with nothing but a write gets no empty line')
})

t.test('a stream that is destroyed while it is waited for', async (t) => {
  const stuck = new Writable({ write () {} })
  stuck.on('error', () => {})
  stuck.write('x')
  setTimeout(() => stuck.destroy(), 10)
  await flushLogger(pino(stuck))
  t.pass('answered')
})

import { AsyncResource } from 'node:async_hooks'
import { readFile } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { StartedWork } from '../../lib/process/started-work.ts'

// What is waited for keeps no process.
const keeper = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(keeper))

/** Calls a function, and answers whether it is followed, and how long what it has started took. */
async function follow (call: () => unknown): Promise<{ isOpen: boolean, took: number }> {
  const work = new StartedWork()
  work.follow(new AsyncResource('test'), call)
  const { isOpen } = work
  const begun = performance.now()
  await work.over()
  const took = performance.now() - begun
  work.stop()
  return { isOpen, took }
}

t.test('what a call starts is followed to its end', async (t) => {
  const cases: Record<string, [call: () => unknown, least: number]> = {
    'an async function': [() => { void sleep(50).then(async () => sleep(50)) }, 95],
    'a chain of timers': [() => { setTimeout(() => { setTimeout(() => {}, 50) }, 50) }, 95],
    'a request to the file system': [() => { readFile(process.execPath, () => { setTimeout(() => {}, 50) }) }, 45],
    'a tick, then a timer': [() => { process.nextTick(() => { setImmediate(() => { setTimeout(() => {}, 50) }) }) }, 45]
  }
  for (const [name, [call, least]] of Object.entries(cases)) {
    const { isOpen, took } = await follow(call)
    t.ok(isOpen, name)
    t.ok(took >= least, `${name}: ${took} ms`)
  }
})

t.test('what is over with the call, or would not keep the process, is not waited for', async (t) => {
  const cases: Record<string, () => unknown> = {
    nothing: () => {},
    'a timer that was cleared': () => { clearTimeout(setTimeout(() => {}, 10_000)) },
    'a timer that does not keep the process': () => { setTimeout(() => {}, 10_000).unref() }
  }
  for (const [name, call] of Object.entries(cases)) {
    const { took } = await follow(call)
    t.ok(took < 5000, `${name}: ${took} ms`)
  }
})

t.test('what others start meanwhile is not followed', async (t) => {
  const { isOpen } = await follow(() => {})
  t.equal(isOpen, false)
  const work = new StartedWork()
  work.follow(new AsyncResource('test'), () => {})
  const timer = setTimeout(() => {}, 10_000)
  t.equal(work.isOpen, false)
  clearTimeout(timer)
  work.stop()
})

t.test('what waits for it in its own context is none of it', async (t) => {
  const work = new StartedWork()
  const waited = work.follow(new AsyncResource('test'), () => work.outside(async () => work.over()))
  await waited
  t.equal(work.isOpen, false)
  work.stop()
})

t.test('who waits hears of the stop', async () => {
  const work = new StartedWork()
  let timer: NodeJS.Timeout | undefined
  work.follow(new AsyncResource('test'), () => { timer = setTimeout(() => {}, 10_000) })
  const over = work.over()
  work.stop()
  await over
  clearTimeout(timer)
})

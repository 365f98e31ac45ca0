import t from 'tap'
import type { Test } from 'tap'
import type { Child } from '../../lib/supervisor/parent/child.ts'
import { Backoff, Respawn, Slot } from '../../lib/supervisor/parent/respawn.ts'
import type { ChildEnd } from '../../lib/supervisor/protocol.ts'

/** What of a child decides over its end. */
interface Given { readyFor?: number, signalled?: boolean, leaving?: boolean, killed?: boolean, late?: boolean }

const crash: ChildEnd = { code: 3, signal: null }
const byGroup: ChildEnd = { code: null, signal: 'SIGTERM' }

/** A supervisor with one place, which starts nobody, and what it was told. */
function supervise (t: Test, { maxCrashes = 5, isDrained = false } = {}) {
  const told: string[] = []
  const write = (level: string) => (_details: object, message: string) => { told.push(`${level}: ${message}`) }
  const slot = new Slot(1)
  t.teardown(() => slot.leaveEmpty())
  let filled: () => void
  const isFilled = new Promise<void>((resolve) => { filled = resolve })
  const supervisor = {
    settings: { maxCrashes, minReady: 1 } as never,
    log: { info: write('info'), warn: write('warn'), error: write('error') },
    stopping: false,
    aggregate: { readyChildren: 0, look: () => {} },
    fill: () => filled(),
    limit: () => { told.push('limited') },
    shutdown: async ({ reason, exitCode, problem }: { reason: string, exitCode: number, problem: string }) => {
      told.push(`shutdown: ${reason}, ${exitCode}, ${problem}`)
      return exitCode
    }
  }
  const respawn = new Respawn(supervisor, {
    drained: () => isDrained,
    ended: (_child, { code, signal }) => { told.push(`ended: ${signal ?? code}`) }
  })
  const add = ({ readyFor, signalled = false, leaving = false, killed = false, late = false }: Given = {}): Child => {
    const child = {
      pid: 7, title: 'child 1 (process 7)', lastWords: 'no database', unborn: false, leaving, killed, late, readyFor,
      state: { phase: 'announcing', signalled },
      pass: (phase: string) => { told.push(`pass: ${phase}`) }
    } as unknown as Child
    slot.child = child
    return child
  }
  return { told, slot, supervisor, respawn, add, isFilled }
}

t.test('a place is filled again after an end that nobody asked for', async (t) => {
  const { told, slot, respawn, add, isFilled } = supervise(t)
  respawn.exited(slot, add({ readyFor: 60_000 }), crash)
  t.same(told, [
    'error: child 1 (process 7) ended with code 3', 'ended: 3', 'warn: child 1 is started again in 0 ms'
  ])
  t.match(slot, { child: undefined, restarts: 1, waiting: true })
  await isFilled
  t.equal(slot.waiting, false)
})

t.test('an end that was asked for leaves the place to who asked', async (t) => {
  const { told, slot, supervisor, respawn, add } = supervise(t)
  respawn.exited(slot, add({ leaving: true }), { code: 0, signal: null })
  t.same(told.splice(0), ['info: child 1 (process 7) ended with code 0', 'ended: 0'])
  t.match(slot, { restarts: 0, waiting: false })
  respawn.exited(slot, add({ leaving: true, late: true }), crash)
  t.equal(slot.restarts, 1, 'who was told to end because it was not ready in time is followed')
  slot.leaveEmpty()
  supervisor.stopping = true
  for (const end of [{ code: 0, signal: null }, crash, { code: 4, signal: null }]) respawn.exited(slot, add(), end)
  t.match(slot, { restarts: 1, waiting: false }, 'while all end nobody is')
  t.equal(respawn.exitCode, 3, 'the first code of those that is not 0')
})

t.test('a child that shuts down by itself is followed while it still drains', async (t) => {
  const { told, slot, respawn, add } = supervise(t)
  const child = add({ readyFor: 100 })
  respawn.ending(slot, child)
  t.same(told, [
    'pass: draining', 'warn: child 1 (process 7) shuts down by itself', 'limited',
    'warn: child 1 is started again in 1000 ms'
  ])
  t.match(child, { leaving: true })
  respawn.ending(slot, child)
  t.equal(slot.restarts, 1, 'once')
  const drained = supervise(t, { isDrained: true })
  drained.respawn.ending(drained.slot, drained.add())
  t.same(drained.told, ['pass: draining'], 'nobody is started while all are drained by hand')
})

t.test('a signal that may be for all is waited for', async (t) => {
  const { told, slot, supervisor, respawn, add } = supervise(t)
  respawn.ending(slot, add({ signalled: true }))
  respawn.exited(slot, slot.child!, byGroup)
  t.same(told, [], 'nothing is known yet')
  supervisor.stopping = true
  respawn.settle()
  t.same(told, ['error: child 1 (process 7) ended with SIGTERM', 'ended: SIGTERM'], 'the supervisor has got it, too')
  t.equal(slot.restarts, 0)

  const alone = supervise(t)
  alone.respawn.exited(alone.slot, alone.add({ readyFor: 60_000 }), byGroup)
  t.same(alone.told, [])
  await alone.isFilled
  t.match(alone.told[0], /ended with SIGTERM/, 'a moment later it was for the child alone')
})

t.test('the supervisor gives up a service that cannot start', async (t) => {
  const { told, slot, respawn, add } = supervise(t, { maxCrashes: 1 })
  respawn.exited(slot, add(), crash)
  t.equal(slot.restarts, 1)
  told.length = 0
  respawn.exited(slot, add(), crash)
  const problem = 'child 1 ended 2 times in a row before it was ready'
  t.same(told.slice(-2), [
    `error: ${problem}, and never was: supervisor gives up with code 3`,
    `shutdown: crash loop, 3, ${problem}, the last time with code 3; its last words: no database`
  ])
  t.equal(slot.restarts, 1)
})

t.test('the backoff doubles, has an end, and forgets after a healthy minute', async (t) => {
  const backoff = new Backoff()
  t.same([1, 2, 3, 4, 5, 6, 7].map(() => backoff.ended(undefined)), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  t.equal(backoff.failedStarts, 7)
  backoff.started()
  t.equal(backoff.failedStarts, 0)
  t.equal(backoff.ended(5000), 30_000, 'ready for a moment is not healthy')
  t.equal(backoff.ended(60_000), 0, 'after a healthy minute at once')
  t.equal(backoff.ended(1), 1000, 'and from the beginning')
})

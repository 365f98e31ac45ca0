import t from 'tap'
import type { HookContext } from '../../lib/lifecycle/hooks.ts'
import type { HookPhase } from '../../lib/lifecycle/phase.ts'
import { longestTimer } from '../../lib/util/given.ts'
import { FakeClock } from '../support/clock.ts'
import { World } from '../support/lifecycle.ts'
import type { WorldOptions } from '../support/lifecycle.ts'

/** A world in which a hook of a phase runs for ever, and its context. */
async function hang (
  phase: HookPhase,
  options: WorldOptions = {},
  timeout?: number
): Promise<{ world: World, context: HookContext }> {
  const world = new World(options)
  let context: HookContext | undefined
  world.lifecycle.hooks.add(phase, (given) => {
    context = given
    return new Promise(() => {})
  }, { name: 'hook', ...timeout === undefined ? {} : { timeout } })
  world.signal()
  await world.reach(phase)
  if (context === undefined) throw new Error('the hook was not called')
  return { world, context }
}

/** Milliseconds from now to when a signal aborts. */
async function untilAborted (world: World, signal: AbortSignal): Promise<number> {
  return world.clock.advanceUntil(() => signal.aborted)
}

// Scenario (Signals and exit): A job asks how much time it has left, and is warned before it is over
t.test('the time that a hook has left', async (t) => {
  t.test('is that of its phase', async (t) => {
    for (const [phase, left] of [
      ['announcing', 18_000], ['closing', 500], ['draining', 23_000], ['terminated', 28_000]
    ] as const) {
      const { world, context } = await hang(phase)
      t.equal(context.remaining(), left, phase)
      await world.clock.advance(100)
      t.equal(context.remaining(), left - 100)
      const seen = await world.clock.advanceUntil(() => context.signal.aborted || world.lifecycle.report !== undefined)
      t.equal(seen, left - 100, 'and then the hook is cut')
      t.equal(context.remaining(), 0)
      await world.clock.advance(1000)
      t.equal(context.remaining(), 0, 'never negative')
    }
  })

  t.test('is its own timeout, where that is less', async (t) => {
    const { world, context } = await hang('draining', {}, 700)
    t.equal(context.remaining(), 700)
    await world.clock.advance(100)
    t.equal(context.remaining(), 600)
    const later = await hang('draining', {}, 50_000)
    t.equal(later.context.remaining(), 23_000)
  })

  t.test('has no end during a drain by hand, until a signal comes', async (t) => {
    const world = new World()
    let context: HookContext | undefined
    world.lifecycle.hooks.add('announcing', (given) => {
      context = given
      return new Promise(() => {})
    }, { name: 'hook' })
    world.lifecycle.drain()
    t.equal(context?.remaining(), Infinity)
    t.equal(context?.deadline, undefined)
    const warned = context?.almostOver(3000)
    await world.clock.advance(60_000)
    t.equal(warned?.aborted, false)
    world.signal()
    t.equal(context?.remaining(), 18_000)
    t.equal(context?.deadline, world.clock.epoch() + 23_000)
    t.equal(await untilAborted(world, warned as AbortSignal), 15_000)
  })

  t.test('is shortened by a second signal', async (t) => {
    for (const phase of ['announcing', 'draining', 'terminated'] as const) {
      const { world, context } = await hang(phase)
      await world.clock.advance(300)
      world.lifecycle.hurry()
      t.equal(context.remaining(), 700, phase)
    }
  })
})

// Scenario, too: A job asks how much time it has left…
t.test('the deadline', async (t) => {
  t.test('is that of the work in phases 1 to 3, and that of the process in phase 4', async (t) => {
    const world = new World()
    const at = world.clock.epoch()
    const seen: unknown[] = []
    for (const phase of ['announcing', 'closing', 'draining', 'terminated'] as const) {
      world.lifecycle.hooks.add(phase, async (context) => {
        await new Promise<void>((resolve) => { world.clock.after(100, resolve) })
        seen.push([context.deadline, world.lifecycle.deadline])
      })
    }
    world.signal()
    await world.finish()
    t.same(seen, [23_000, 23_000, 23_000, 28_000].map((end) => [at + end, at + end]))
  })

  t.test('is brought nearer by a second signal', async (t) => {
    for (const [phase, left] of [
      ['announcing', 1000 + 500 + 1000], ['closing', 500 + 1000], ['draining', 1000], ['terminated', 1000]
    ] as const) {
      const { world, context } = await hang(phase)
      world.lifecycle.hurry()
      t.equal(context.deadline, world.clock.epoch() + left, phase)
      t.equal(world.lifecycle.deadline, context.deadline)
    }
  })

  t.test('is nearer after a crash', async (t) => {
    const world = new World()
    const at = world.clock.epoch()
    world.lifecycle.participants.add('stubborn', () => true)
    void world.lifecycle.shutdown({ kind: 'crash', reason: 'boom', exitCode: 1 })
    t.equal(world.lifecycle.deadline, at + 1000 + 500 + 10_000)
    t.equal(await world.reach('draining'), 1500)
    t.equal(world.lifecycle.deadline, at + 11_500)
    await world.reach('terminated')
    t.equal(world.lifecycle.deadline, at + 28_000)
  })

  t.test('counts from the signal, less what a preStop hook took', async (t) => {
    const world = new World({ budget: { preStop: 10_000, gracePeriod: 60_000 } })
    const at = world.clock.epoch()
    world.lifecycle.hooks.add('terminated', ({ deadline }) => { t.equal(deadline, at + 50_000 - world.budget.reserve) })
    world.signal()
    await world.finish()
  })
})

// Scenario, too: A job asks how much time it has left…
t.test('almostOver', async (t) => {
  t.test('aborts so long before the hook is cut', async (t) => {
    for (const [phase, left] of [['announcing', 18_000], ['draining', 23_000], ['terminated', 28_000]] as const) {
      const { world, context } = await hang(phase)
      const signals = [3000, 100.5, 1].map((ms) => context.almostOver(ms))
      t.same(signals.map(({ aborted }) => aborted), [false, false, false])
      t.equal(await untilAborted(world, signals[0] as AbortSignal), left - 3000, phase)
      t.match(signals[0]?.reason, { message: "hook 'hook' has 3000 ms left" })
      t.equal(await untilAborted(world, signals[1] as AbortSignal), 3000 - 100.5)
      t.equal(signals[2]?.aborted, false)
      t.equal(context.signal.aborted, false)
      t.equal(await untilAborted(world, signals[2] as AbortSignal), 99.5)
    }
  })

  t.test('aborts at once where less is left', async (t) => {
    const { context } = await hang('draining')
    t.equal(context.almostOver(23_000).aborted, true)
    t.equal(context.almostOver(60_000).aborted, true)
    t.equal(context.almostOver(longestTimer).aborted, true)
  })

  t.test('counts from its own timeout', async (t) => {
    const { world, context } = await hang('draining', {}, 2000)
    t.equal(await untilAborted(world, context.almostOver(500)), 1500)
    t.equal(context.signal.aborted, false)
  })

  t.test('aborts in time where a second signal brings the cut nearer', async (t) => {
    const { world, context } = await hang('draining')
    const [early, late] = [context.almostOver(5000), context.almostOver(400)]
    await world.clock.advance(200)
    world.lifecycle.hurry()
    t.equal(await untilAborted(world, early), 0, 'less is left than was asked for')
    t.equal(await untilAborted(world, late), 400, '400 ms before the end of its second')
    t.equal(await world.reach('terminated'), 400)
  })

  t.test('aborts with 0 at the cut itself', async (t) => {
    const { world, context } = await hang('draining')
    const signal = context.almostOver(0)
    t.equal(await untilAborted(world, signal), 23_000)
  })

  t.test('stands where the hook has returned, until the phase is over', async (t) => {
    const world = new World()
    let warned: AbortSignal | undefined
    world.lifecycle.hooks.add('draining', ({ almostOver }) => { warned = almostOver(2000) })
    world.lifecycle.work.track(new Promise(() => {}), { name: 'job' })
    world.signal()
    t.equal(await world.clock.advanceUntil(() => warned?.aborted === true), 21_000)

    const quick = new World()
    let kept: AbortSignal | undefined
    quick.lifecycle.hooks.add('draining', ({ almostOver }) => { kept = almostOver(2000) })
    quick.signal()
    await quick.finish()
    t.equal(kept?.aborted, false)
    t.equal(quick.clock.timers, 0, 'and leaves no timer behind')
  })

  t.test('refuses what is no time', async (t) => {
    const { context } = await hang('draining')
    for (const [given, message] of [
      [-1, /got -1 \(number\)/], [Number.NaN, /got NaN/], [Infinity, /got Infinity/], ['5', /got "5" \(string\)/],
      [undefined, /got undefined/], [2 ** 31, /from 0 to 2147483647/]
    ] as Array<[number, RegExp]>) {
      t.throws(() => context.almostOver(given), {
        code: 'FST_GRACEFUL_INVALID_ARGUMENT',
        message: /time given to 'almostOver' must be a number of milliseconds/
      })
      t.throws(() => context.almostOver(given), { message })
    }
  })

  t.test('says so to nobody whose phase is over', async (t) => {
    t.equal(new FakeClock().timers, 0)
    const { world, context } = await hang('closing')
    await world.reach('draining')
    t.equal(context.almostOver(100).aborted, true)
  })
})

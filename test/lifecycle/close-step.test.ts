import t from 'tap'
import type { Released } from '../../lib/lifecycle/driver.ts'
import { World } from '../support/lifecycle.ts'
import type { WorldOptions } from '../support/lifecycle.ts'
import { thenable } from '../support/thenable.ts'

/** A world in which each step of phase 4 writes down when it began and when it was over. */
class Last extends World {
  readonly log: string[] = []
  readonly start = this.clock.now()

  /** Takes `milliseconds`; Infinity never ends. */
  lasting (name: string, milliseconds: number): Promise<void> {
    this.log.push(`${name} at ${this.clock.now() - this.start}`)
    return new Promise((resolve) => {
      if (milliseconds !== Infinity) this.clock.after(milliseconds, resolve)
    })
  }
}

interface Case extends Pick<WorldOptions, 'budget'> {
  title: string
  /** Milliseconds that each of the others takes. */
  others?: number[]
  /** Milliseconds that each hook of `terminated` takes. */
  hooks?: number[]
  /** Milliseconds that `app.close()` takes. */
  close?: number
  /** Whether phase 3 lasts to its cap. */
  draining?: boolean
  /** Milliseconds from the beginning of phase 4 to a second signal. */
  hurry?: number
  log: string[]
  duration: number
  waiting?: string[]
}

const cases: Case[] = [
  {
    title: 'nothing takes time',
    log: ['close at 0'], duration: 0
  },
  {
    title: 'each step begins when the one before is over',
    others: [300, 100], hooks: [200, 500], close: 400,
    log: ['other 0 at 0', 'other 1 at 0', 'hook 0 at 300', 'hook 1 at 300', 'close at 800'], duration: 1200
  },
  {
    title: 'a close may use all that the phases before it have left',
    close: 27_999, log: ['close at 0'], duration: 27_999
  },
  {
    title: 'a close that never settles is cut at the deadline of the process',
    close: Infinity, log: ['close at 0'], duration: 28_000, waiting: ['close']
  },
  {
    title: 'others may use all but what is kept for the close',
    others: [22_999], close: 5000, log: ['other 0 at 0', 'close at 22999'], duration: 27_999
  },
  {
    title: 'others that never end leave the close what is kept for it',
    others: [Infinity], close: 4000, log: ['other 0 at 0', 'close at 23000'], duration: 28_000, waiting: ['other 0']
  },
  {
    title: 'others that never end do not keep the hooks from being started',
    others: [Infinity], hooks: [100], close: 100, log: ['other 0 at 0', 'hook 0 at 23000', 'close at 23000'],
    duration: 28_000, waiting: ['other 0']
  },
  {
    title: 'hooks may use all but what is kept for the close',
    hooks: [22_999], close: 5000, log: ['hook 0 at 0', 'close at 22999'], duration: 27_999
  },
  {
    title: 'hooks that never end leave the close what is kept for it',
    hooks: [Infinity], close: 4000, log: ['hook 0 at 0', 'close at 23000'], duration: 28_000, waiting: ['hook 0']
  },
  {
    title: 'others and hooks share what is left',
    others: [15_000], hooks: [Infinity], close: 4000, log: ['other 0 at 0', 'hook 0 at 15000', 'close at 23000'],
    duration: 28_000, waiting: ['hook 0']
  },
  {
    title: 'after a full phase 3 a short hook still comes before the close',
    draining: true, hooks: [400], close: 4599, log: ['hook 0 at 0', 'close at 400'], duration: 4999
  },
  {
    title: 'after a full phase 3 a hook that never ends takes half a second of the close',
    draining: true, hooks: [Infinity], close: 4000, log: ['hook 0 at 0', 'close at 500'], duration: 5000,
    waiting: ['work', 'hook 0']
  },
  {
    title: 'after a full phase 3 others and hooks that never end take half a second together',
    draining: true, others: [Infinity], hooks: [Infinity], close: 4000,
    log: ['other 0 at 0', 'hook 0 at 500', 'close at 500'], duration: 5000, waiting: ['work', 'other 0', 'hook 0']
  },
  {
    title: 'a `close` of 9 s is kept, and is no cap',
    budget: { close: 9000 }, hooks: [Infinity], close: Infinity, log: ['hook 0 at 0', 'close at 19000'],
    duration: 28_000, waiting: ['close', 'hook 0']
  },
  {
    title: 'a grace period of 600 s is there to be used',
    budget: { gracePeriod: 600_000 }, close: 500_000, log: ['close at 0'], duration: 500_000
  },
  {
    title: 'a grace period of 7 s is there to be used',
    budget: { gracePeriod: 7000 }, close: 6299, log: ['close at 0'], duration: 6299
  },
  {
    title: 'a second signal leaves a second, of which half is kept for the close',
    hurry: 0, hooks: [Infinity], close: 400, log: ['hook 0 at 0', 'close at 500'], duration: 1000, waiting: ['hook 0']
  },
  {
    title: 'a second signal in the midst of a close of more than a second ends it',
    hurry: 5000, close: 9000, log: ['close at 0'], duration: 5000, waiting: ['close']
  },
  {
    title: 'a second signal while hooks run begins the close, though nobody waits for it',
    hurry: 5000, hooks: [9000], close: 100, log: ['hook 0 at 0', 'close at 5000'], duration: 5000,
    waiting: ['close', 'hook 0']
  }
]

// Scenario, too: A queue worker that needs nine seconds to close…
t.test('phase 4', async (t) => {
  for (const {
    title, budget = {}, others = [], hooks = [], close = 0, draining = false, hurry, log, duration, waiting = []
  } of cases) {
    t.test(title, async (t) => {
      const world: Last = new Last({ budget, ports: {
        release: () => others.map((time, index): Released => ({
          name: `other ${index}`,
          settled: world.lasting(`other ${index}`, time)
        })),
        end: () => world.lasting('close', close)
      } })
      for (const [index, time] of hooks.entries()) {
        world.lifecycle.hooks.add('terminated', () => world.lasting(`hook ${index}`, time), { name: `hook ${index}` })
      }
      if (draining) world.lifecycle.work.track(new Promise(() => {}), { name: 'work' })
      world.signal()
      await world.reach('terminated')
      const since = world.clock.now() - world.start
      if (hurry !== undefined) {
        await world.clock.advance(hurry)
        world.lifecycle.hurry()
      }
      await world.clock.advanceUntil(() => world.lifecycle.report !== undefined, 600_000)
      const report = await world.lifecycle.done
      t.same(world.log, log.map((line) => line.replace(/\d+$/, (at) => `${Number(at) + since}`)))
      t.equal(report.phases.at(-1)?.duration, duration)
      t.same(report.cut.waiting, draining && waiting.length === 0 ? ['work'] : waiting)
      t.equal(report.exitCode, report.cut.waiting.length === 0 ? 0 : 1)
    })
  }

  t.test('others that throw, reject or are odd are named, and the rest goes on', async (t) => {
    const world = new World({ ports: { release: () => [
      { name: 'rejecter', settled: Promise.reject(new Error('rejected')) },
      { name: 'odd', settled: thenable(() => { throw new Error('no promise of mine') }) },
      { name: 'good', settled: Promise.resolve() }
    ] } })
    world.signal()
    const report = await world.finish()
    t.same(report.failures.toSorted((a, b) => a.name.localeCompare(b.name)), [
      { name: 'odd', message: 'no promise of mine', phase: 'terminated' },
      { name: 'rejecter', message: 'rejected', phase: 'terminated' }
    ])
    t.same(world.calls, ['cut', 'end'])

    const thrower = new World({ ports: { release: () => { throw new Error('thrown') } } })
    thrower.signal()
    t.match(await thrower.finish(), {
      failures: [{ name: 'listeners of others', message: 'thrown', phase: 'terminated' }],
      exitCode: 1
    })
    t.same(thrower.calls, ['cut', 'end'])
  })

  t.test('are named while they are waited for', async (t) => {
    const world = new World({
      ports: { release: () => [{ name: 'SIGTERM listener shutdown', settled: new Promise(() => {}) }] }
    })
    world.signal()
    await world.reach('terminated')
    await world.clock.advance(100)
    t.same(world.stalls(), ['SIGTERM listener shutdown: what it does at the signal is under way'])
  })

  t.test('one of the others that waits for the close gets it, after the hooks', async (t) => {
    const log: string[] = []
    let resolveClose: (() => void) | undefined
    const world: World = new World({ ports: {
      release: () => [{ name: 'framework', settled: new Promise((resolve) => {
        world.clock.after(100, () => {
          t.equal(world.lifecycle.awaitClose(), false)
          resolveClose = () => { world.clock.after(50, () => resolve(undefined)) }
        })
      }) }],
      end: async () => {
        log.push(`close at ${world.clock.now() - 5000}`)
        resolveClose?.()
      }
    } })
    world.lifecycle.hooks.add('terminated', () => new Promise<void>((resolve) => {
      log.push(`hook at ${world.clock.now() - 5000}`)
      world.clock.after(200, resolve)
    }), { name: 'hook' })
    world.signal()
    const report = await world.finish()
    t.same(log, ['hook at 100', 'close at 300'])
    t.equal(report.duration, 350)
    t.equal(report.verdict, 'clean')
    t.equal(world.lifecycle.awaitClose(), true)
  })

  t.test('a hook that waits for the close gets it at once', async (t) => {
    const world: World = new World({ ports: { end: async () => { closed?.() } } })
    let closed: (() => void) | undefined
    world.lifecycle.hooks.add('terminated', () => new Promise<void>((resolve) => {
      closed = resolve
      world.clock.after(100, () => { world.lifecycle.awaitClose() })
    }), { name: 'hook' })
    world.signal()
    t.match(await world.finish(), { duration: 100, verdict: 'clean' })
  })
})

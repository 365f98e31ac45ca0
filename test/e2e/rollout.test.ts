import t from 'tap'
import type { Test } from 'tap'
import { removals, rollout, wasUnseen } from './rollout.ts'
import type { RolloutOptions, RolloutResult } from './rollout.ts'

t.setTimeout(280_000)

/** Lets an update begin now and be judged later: clusters are independent, so slow ones run at the same time. */
function begin (options: RolloutOptions): Promise<RolloutResult> {
  const result = rollout(options)
  result.catch(() => {})
  return result
}

function leftInTime (t: Test, result: RolloutResult, replicas: number, graceSeconds = 30): void {
  t.equal(result.departures.length, replicas, 'all of them were replaced')
  for (const { name, code, signal, took, report, warnings } of result.departures) {
    t.strictSame([code, signal], [0, null], `${name} exits by itself, with 0`, { warnings })
    t.ok(took < graceSeconds * 1000, `${name} is gone inside its grace period, after ${took} ms`)
    t.equal(report?.verdict, 'clean', `${name} reports that nothing was cut`, { report })
  }
}

function lostNothing (t: Test, result: RolloutResult, atLeast: number, replaced = 3): void {
  leftInTime(t, result, replaced)
  for (const { name, unreadyAfter } of result.departures) {
    t.ok(
      unreadyAfter !== undefined && unreadyAfter < 5000,
      `${name} fails readiness while it still serves, after ${unreadyAfter} ms`
    )
  }
  t.ok(result.requests >= atLeast, `${result.requests} requests were sent on ${result.connections} connections`)
  t.strictSame(result.byKind, {}, 'nothing is lost', {
    losses: result.losses.slice(0, 20),
    longestPause: result.longestPause,
    departures: result.departures
  })
}

t.test('traffic that ends late, or is thin, or never ends', { timeout: 120_000 }, async (t) => {
  const late = begin({ removal: removals.late, rate: 300 })
  const sparse = begin({ removal: removals.sparse, rate: 3 })
  const paused = begin(
    { removal: removals.late, rate: 200, replicas: 2, replace: 1, pause: { after: 6500, duration: 1500 } }
  )
  const never = begin({ removal: removals.never, rate: 100, replace: 1, graceSeconds: 16, warmUp: 2000 })

  await t.test('the endpoint is taken out 16 s after SIGTERM', async (t) => {
    lostNothing(t, await late, 300 * 20)
  })

  await t.test('one request a second for each replica, the endpoint 10 s late', async (t) => {
    lostNothing(t, await sparse, 3 * 15)
  })

  await t.test('a replica that stands still for a while does not take that for silence', async (t) => {
    lostNothing(t, await paused, 200 * 20, 1)
  })

  await t.test('an endpoint that stays loses only what comes after the cap, and the report says so', async (t) => {
    const result = await never
    leftInTime(t, result, 1, 16)
    const { losses, departures } = result
    const report = departures[0]!.report!
    const announcing = report.phases.find(({ phase }) => phase === 'announcing')
    t.equal(announcing?.endedBy, 'cap')
    t.ok(losses.length > 0, 'who comes later is refused')
    const capAt = report.startedAt + announcing!.duration
    t.strictSame(losses.filter(({ failedAt }) => failedAt < capAt), [], 'nothing is lost before')
    const closing = report.phases.find(({ phase }) => phase === 'closing')!
    const closed = { from: capAt, to: capAt + closing.duration }
    const seen = losses.filter((loss) => !wasUnseen(loss, closed))
    t.strictSame(seen, [], 'and nothing on a connection that the replica had accepted')
    t.equal(report.traffic.evidence, 'absent')
    t.ok(report.traffic.lateArrivals > 0, 'connections came late', { report })
    t.ok(report.advice.length > 0, 'an advice is given', { report })
  })
})

t.test('traffic that ends soon', { timeout: 120_000 }, async (t) => {
  const endpoint = begin({ removal: removals.endpoint, rate: 300 })
  const check = begin({ removal: removals.check, rate: 300 })
  const plain = begin(
    { removal: removals.endpoint, rate: 300, shutdown: 'plain', replace: 1, graceSeconds: 10, warmUp: 2000 }
  )

  await t.test('the endpoint is taken out 2 s after SIGTERM, whatever readiness says', async (t) => {
    lostNothing(t, await endpoint, 300 * 15)
  })

  await t.test('HAProxy checks readiness itself, and nobody else takes anything out', async (t) => {
    lostNothing(t, await check, 300 * 15)
  })

  await t.test('the same client counts what plain app.close() loses', async (t) => {
    const result = await plain
    const { losses, byKind } = result
    t.ok(losses.length > 0, 'so it would have counted ours', { byKind })
    t.ok((byKind.refused ?? 0) > 0, 'refused connections', { byKind })
    t.ok(losses.some(({ detail }) => detail === 'status 503'), 'requests that were answered 503', { byKind })
  })
})

t.test('1000 requests per second, the endpoint is taken out 2 s after SIGTERM', { timeout: 120_000 }, async (t) => {
  lostNothing(t, await rollout({ removal: removals.endpoint, rate: 1000 }), 1000 * 15)
})

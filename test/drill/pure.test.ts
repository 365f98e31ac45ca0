import * as fc from 'fast-check'
import t from 'tap'
import { claimPort, isTelling, phaseOf, readLine, saysReady } from '../../lib/drill/processes.ts'
import { countByKind, kindOf, lossKinds, place, Tally, traced } from '../../lib/drill/losses.ts'
import type { Loss } from '../../lib/drill/losses.ts'
import { choose, drawn, isExpected } from '../../lib/drill/profiles.ts'
import { Rotation } from '../../lib/drill/balancer.ts'

const loss: Loss = {
  kind: 'reset-new', detail: 'ECONNRESET', isReused: false, method: 'GET', path: '/', profile: 'one', sentAt: 1000,
  failedAt: 1010, localPort: 1, replica: undefined
}

t.test('a tally counts each request once, and each loss by its kind', (t) => {
  const tally = new Tally()
  t.same(Object.keys(tally.byKind), Object.keys(lossKinds))
  for (const kind of ['refused', undefined, 'timeout', 'refused', undefined] as const) tally.count(kind)
  t.same([tally.requests, tally.lost, tally.byKind.refused, tally.byKind.timeout], [5, 3, 2, 1])
  t.same(countByKind([loss, loss, { kind: 'truncated' }]), { 'reset-new': 2, truncated: 1 })
  t.same(countByKind([]), {})
  t.end()
})

t.test('the kind of a loss follows from what ended it and from its connection', (t) => {
  const refused = { endpoint: 'one', isRefused: true }
  t.equal(kindOf('ended', false), 'reset-new')
  t.equal(kindOf('ended', true), 'reset-reused')
  t.equal(kindOf('ended', false, refused), 'refused')
  t.equal(kindOf('ended', false, { ...refused, isRefused: false }), 'reset-new')
  t.equal(kindOf('timeout', false, refused), 'timeout', 'what is known stays')
  t.match(traced(loss, refused), { kind: 'refused', replica: 'one' })
  t.match(traced({ ...loss, kind: 'truncated' }, refused), { kind: 'truncated', replica: 'one' })
  t.match(traced({ ...loss, replica: 'two' }, undefined), { kind: 'reset-new', replica: 'two' })
  t.end()
})

t.test('a loss is placed by its replica\'s phase and signal', (t) => {
  const replica = { name: 'one', signalledAt: 1000, phaseAt: (time: number) => time < 1005 ? 'running' : 'closing' }
  t.match(place({ ...loss, replica: 'one' }, [replica]), { phase: 'closing', sinceSignal: 10 })
  t.match(place({ ...loss, replica: 'one', failedAt: 900 }, [replica]), { phase: 'running', sinceSignal: undefined })
  t.match(place({ ...loss, replica: 'two' }, [replica]), { phase: undefined, sinceSignal: undefined })
  t.match(place(loss, []), { phase: undefined, sinceSignal: undefined })
  t.end()
})

t.test('a rotation gives everybody a turn, and those who have left none', (t) => {
  const rotation = new Rotation<string>()
  t.equal(rotation.take(), undefined)
  for (const name of ['a', 'b', 'c', 'b']) rotation.add(name)
  const take = (count: number): string => Array.from({ length: count }, () => rotation.take()).join('')
  t.equal(take(5), 'abcab')
  rotation.remove('a')
  t.equal(take(3), 'cbc', 'whose turn it was has it still')
  rotation.remove('a')
  rotation.remove('c')
  t.equal(take(2), 'bb')
  rotation.remove('b')
  t.equal(rotation.take(), undefined)
  t.end()
})

t.test('whoever comes and goes, turns are even', (t) => {
  const change = fc.record({ isComing: fc.boolean(), name: fc.constantFrom('a', 'b', 'c', 'd', 'e') })
  fc.assert(fc.property(fc.array(change), (changes) => {
    const rotation = new Rotation<string>()
    const members = new Set<string>()
    for (const { isComing, name } of changes) {
      if (isComing) rotation.add(name)
      else rotation.remove(name)
      if (isComing) members.add(name)
      else members.delete(name)
      if (rotation.has(name) !== isComing) return false
      const taken = rotation.take()
      if (members.size === 0 ? taken !== undefined : !members.has(taken!)) return false
    }
    const round = Array.from({ length: 2 * members.size }, () => rotation.take())
    return [...members].every((name) => round.filter((taken) => taken === name).length === 2)
  }))
  t.end()
})

t.test('profiles are chosen by their weights', (t) => {
  const profiles = [{ name: 'a', weight: 3 }, { name: 'none', weight: 0 }, { name: 'b' }]
  const shares = Array.from({ length: 400 }, (_, index) => choose(profiles, index / 400).name)
  t.equal(shares.filter((name) => name === 'a').length, 300)
  t.equal(shares.filter((name) => name === 'b').length, 100)
  t.throws(() => choose([]), /at least one profile/)
  fc.assert(fc.property(fc.nat(1000), fc.nat(1000), (least, more) => {
    const time = drawn([least, least + more])
    return time >= least && time <= least + more
  }))
  t.same([200, 302, 404, 503].map((status) => isExpected(status, {})), [true, true, false, false])
  t.same([202, 200].map((status) => isExpected(status, { status: 202 })), [true, false])
  t.end()
})

t.test('what a line of output tells', (t) => {
  t.same(readLine('{"event":"graceful.phase","phase":"closing"}'), { event: 'graceful.phase', phase: 'closing' })
  for (const text of ['listening on 3000', '3000', '[1]', 'null', '{"half']) {
    t.same(readLine(text), { event: 'output', msg: text })
  }
  t.equal(phaseOf({ event: 'graceful.phase', phase: 'closing' }), 'closing')
  t.equal(phaseOf({ event: 'of.mine', phase: 'closing' }), undefined)
  t.same([{ level: 40 }, { event: 'graceful.report' }, readLine('text')].map(isTelling), [true, true, true])
  t.same([{ level: 30 }, { event: 'of.mine' }, { level: 'error' as unknown as number }].map(isTelling),
    [false, false, false])
  t.end()
})

t.test('ready is what a kubelet takes for it', (t) => {
  t.same([200, 204, 302, 404, 503, 0].map((status) => saysReady(status, false)),
    [true, true, true, false, false, false])
  t.same([404, 503, 0].map((status) => saysReady(status, true)), [true, false, false])
  t.end()
})

t.test('no port is handed out twice', async (t) => {
  const ports = await Promise.all(Array.from({ length: 20 }, claimPort))
  t.equal(new Set(ports).size, 20)
  t.ok(ports.every((port) => port >= 20_000 && port < 32_000))
})

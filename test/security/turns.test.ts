import { Socket } from 'node:net'
import t from 'tap'
import { Accepted, Connections } from '../../lib/server/connections.ts'
import { sourceOf } from '../../lib/server/address-counts.ts'
import { Turns } from '../../lib/server/turns.ts'
import type { Kind } from '../../lib/server/turns.ts'
import { until } from '../support/app.ts'

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })
const owners = (count: number, address?: string): Array<{ address: string | undefined }> => {
  return Array.from({ length: count }, () => ({ address }))
}

const ask = (accepted: Accepted): void => { accepted.hasAsked = true }
const closed = (all: Accepted[]): number => all.filter(({ socket }) => socket.destroyed).length

// Scenario (Attacks, and failures of the plugin's own code): What is done first for connections that come at once, and
// whose is closed
t.test('what counts as one caller', async (t) => {
  const rows: Array<[address: string | undefined, source: string | undefined]> = [
    [undefined, undefined],
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:10.0.3.7', '10.0.3.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8:1:2:3::', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['2001:db8::3:4:5:6', '2001:db8:0:0'],
    ['2001:db8::2:3:4:5:6', '2001:db8:0:2'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0']
  ]
  for (const [address, source] of rows) t.equal(sourceOf(address), source, address ?? 'none')
})

// Scenario, too: What is done first for connections that come at once…
t.test('work of those who have left is not kept', async (t) => {
  const turns = new Turns(1000)
  const done: number[] = []
  const waiters = owners(1000)
  for (const [index, waiter] of waiters.entries()) turns.add('other', waiter, () => { done.push(index) })
  for (const waiter of waiters.slice(1, -1)) turns.drop(waiter)
  await until(() => done.length === 2)
  t.strictSame(done, [0, 999], 'in their order')
  turns.add('other', waiters[0]!, () => { done.push(1) })
  await until(() => done.length === 3)
  t.equal(done.at(-1), 1, 'it goes on where all was done')
})

// Scenario, too: What is done first for connections that come at once…
t.test('in which order it is done', async (t) => {
  const rows: Array<[name: string, kind: Kind, addresses: string[], order: number[]]> = [
    ['of first requests the newest and the oldest', 'first', ['a', 'a', 'a', 'a', 'a'], [4, 0, 3, 1, 2]],
    ['those of who has one before those of who has many', 'first', ['a', 'a', 'b', 'a'], [2, 0, 3, 1]],
    ['of later ones the oldest', 'again', ['a', 'a', 'a', 'a', 'a'], [0, 1, 2, 3, 4]],
    ['and who has fewer', 'again', ['a', 'a', 'b', 'a'], [2, 0, 1, 3]],
    ['all else', 'other', ['a', 'a', 'b', 'a'], [2, 0, 1, 3]]
  ]
  for (const [name, kind, addresses, order] of rows) {
    const turns = new Turns(1000)
    const done: number[] = []
    for (const [index, address] of addresses.entries()) turns.add(kind, { address }, () => { done.push(index) })
    await until(() => done.length === order.length)
    t.strictSame(done, order, name)
  }
})

// Scenario, too: What is done first for connections that come at once…
t.test('nobody whose kind is not asked for most is forgotten', async (t) => {
  const turns = new Turns(1000)
  let isOver = false
  const done: Record<Kind, number> = { arrived: 0, first: 0, again: 0, other: 0 }
  const askFor = (kind: Kind, waiter: { address: string | undefined }): void => turns.add(kind, waiter, () => {
    done[kind]++
    if (!isOver) askFor(kind, waiter)
  })
  for (const kind of ['first', 'again', 'other'] as const) for (const waiter of owners(50)) askFor(kind, waiter)
  await until(() => done.first > 200)
  isOver = true
  t.ok(done.again >= done.first, `${done.again} of ${done.first}`)
  t.ok(done.other >= done.first / 2 - 1, `${done.other} of ${done.first}`)
})

// Scenario, too: What is done first for connections that come at once…
t.test('while connections come turn after turn, nearly all turns are theirs', async (t) => {
  const turns = new Turns(1000)
  const [each, perTurn] = [500, 8 + 2 + 4 + 1]
  let done = 0
  const work = (): void => { done++ }
  for (const kind of ['first', 'again', 'other'] as const) {
    for (const waiter of owners(each)) turns.add(kind, waiter, work)
  }
  for (const waiter of owners(200)) {
    turns.arrive(waiter, work)
    await turn()
  }
  // The first one comes alone, as far as anybody knows.
  t.ok(done > 3 * perTurn && done <= 5 * perTurn + 1, `${done} pieces in 200 turns`)
  const before = done
  for (let count = 0; count < 11; count++) await turn()
  t.ok(done - before >= 10 * 6, `${done - before} pieces in the turns after that`)
})

// Scenario, too: What is done first for connections that come at once…
t.test('where too many have come at once the oldest is read, and one that comes alone', async (t) => {
  const turns = new Turns(3)
  const read: number[] = []
  for (const [index, waiter] of owners(10).entries()) {
    turns.arrive(waiter, () => { read.push(index) })
    await turn()
  }
  t.strictSame(read, [0, 1, 2, 3, 4, 5, 6])
  await until(() => read.length === 10)
  for (let count = 0; count < 3; count++) await turn()
  turns.arrive({ address: 'a' }, () => { read.push(10) })
  t.equal(read.at(-1), 10)
})

// Scenario, too: What is done first for connections that come at once…
t.test('whose connection is closed for another one', async (t) => {
  const connections = new Connections(() => {})
  const come = async (count: number, act: (accepted: Accepted) => void = () => {}): Promise<Accepted[]> => {
    const all: Accepted[] = []
    for (; count > 0; count--) {
      const accepted = new Accepted(new Socket())
      connections.add(accepted)
      connections.greet(accepted)
      act(accepted)
      all.push(accepted)
      await turn()
    }
    return all
  }
  const probe = (accepted: Accepted): void => { connections.probe(accepted) }
  const [first] = await come(1, probe)
  const silent = await come(300)
  t.equal(closed(silent), 44, 'the oldest of those that say nothing')
  t.equal(closed(silent.slice(0, 44)), 44)
  const asking = await come(100, ask)
  const more = await come(300)
  t.equal(closed(asking), 0, 'whoever waits for us keeps half of the places')
  t.equal(closed(more), 300 - 156)
  await come(200, ask)
  t.equal(closed(asking), 100, 'and no more')
  t.ok(300 - closed(more) >= 127, `the others likewise, ${300 - closed(more)}`)
  t.equal(closed([first!]), 0, 'nobody who waits for a probe')
  const probing = await come(1024, probe)
  t.equal(closed([first!]), 1, 'a thousand of these at most')
  t.equal(closed(probing), 0)
  connections.destroy(() => true)
  t.equal(closed(probing), 1024)
})

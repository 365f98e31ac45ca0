import { EventEmitter } from 'node:events'
import t from 'tap'
import type { ConnectionHandle, ListenerHandle } from '../../lib/fastify/process-internals.ts'
import { messageType } from '../../lib/supervisor/protocol.ts'
import type { HandOver, Tell } from '../../lib/supervisor/protocol.ts'
import { Sticky, weightOf } from '../../lib/supervisor/parent/sticky.ts'
import type { Taker } from '../../lib/supervisor/parent/sticky.ts'

/** The place among some that wants an address most. */
const placeOf = (source: string, places: readonly number[]): number =>
  places.toSorted((a, b) => weightOf(source, b) - weightOf(source, a))[0]!

t.test('a thousand addresses are spread evenly, and only those of a place that is gone move', async (t) => {
  const kinds = {
    'one after the other': (index: number) => `10.0.${index >> 8}.${index & 255}`,
    'far apart': (index: number) => `${1 + index % 223}.${index * 7 % 256}.${index * 31 % 256}.${index * 101 % 256}`,
    'networks of IPv6': (index: number) => `2001:db8:${index.toString(16)}:1`
  }
  for (const [kind, address] of Object.entries(kinds)) {
    const all = Array.from({ length: 1000 }, (_, index) => address(index))
    for (const count of [2, 3, 4, 8]) {
      const places = Array.from({ length: count }, (_, index) => index + 1)
      const homes = all.map((source) => placeOf(source, places))
      const expected = 1000 / count
      // Four times the standard deviation of chance.
      const slack = 4 * Math.sqrt(expected * (1 - 1 / count))
      for (const place of places) {
        const own = homes.filter((home) => home === place).length
        t.ok(Math.abs(own - expected) < slack, `${kind}: ${own} of 1000 for place ${place} of ${count}`)
      }
      const left = places.slice(1)
      t.ok(all.every((source, index) => homes[index] === 1 || placeOf(source, left) === homes[index]))
    }
  }
})

class Connection implements ConnectionHandle {
  closed = 0
  readonly #address: string | undefined
  constructor (address: string | undefined) { this.#address = address }

  close (): void { this.closed++ }
  getpeername (out: { address?: string }): number {
    if (this.#address !== undefined) out.address = this.#address
    return this.#address === undefined ? -107 : 0
  }
}

/** A child that answers when it is told to. */
class FakeChild extends EventEmitter {
  readonly given: Connection[] = []
  readonly place: number
  ready = true
  ending = false
  responding = true
  connected = true
  readonly worker: Taker['worker']

  constructor (sticky: Sticky, place: number) {
    super()
    this.place = place
    this.worker = Object.assign(this, {
      isConnected: () => this.connected,
      process: { send: (_: HandOver, connection: Connection) => this.given.push(connection) }
    }) as never
    sticky.join(this)
  }

  tell (tell: { listens: string[] } | { taken: boolean }): void {
    this.emit('message', { type: messageType, ...tell } satisfies Tell)
  }

  leave (): void {
    this.connected = false
    this.emit('disconnect')
  }
}

class Listener implements ListenerHandle {
  closed = 0
  listen = (): number => 0
  declare onconnection: NonNullable<ListenerHandle['onconnection']>
  getsockname = (out: { address?: string, port?: number }): number => {
    Object.assign(out, { address: '::', port: 80 })
    return 0
  }

  close (): void { this.closed++ }
  connect (address?: string): Connection {
    const connection = new Connection(address)
    this.onconnection(0, connection)
    return connection
  }
}

function grow (count: number): { sticky: Sticky, listener: Listener, children: FakeChild[] } {
  const [sticky, listener] = [new Sticky(), new Listener()]
  t.equal(sticky.open(listener), 0)
  const children = Array.from({ length: count }, (_, index) => new FakeChild(sticky, index + 1))
  for (const child of children) child.tell({ listens: [':: 80'] })
  return { sticky, listener, children }
}

t.test('a connection is given to one child at a time until one takes it', async (t) => {
  const { sticky, listener, children } = grow(3)
  const places = [1, 2, 3]
  const source = '192.0.2.1'
  const [first, second, third] = places
    .toSorted((a, b) => weightOf(source, b) - weightOf(source, a))
    .map((place) => children[place - 1]!) as [FakeChild, FakeChild, FakeChild]
  const one = listener.connect(source)
  const two = listener.connect(`::ffff:${source}`)
  t.same([first.given, second.given, third.given], [[one], [], []], 'the second one waits until it has answered')
  first.tell({ taken: true })
  t.equal(one.closed, 1, 'taken: the child has it')
  t.same(first.given, [one, two], 'IPv4 as IPv6 is the same address')
  first.tell({ taken: false })
  t.same([two.closed, second.given], [0, [two]], 'refused: the next one gets it')
  const three = listener.connect(source)
  second.leave()
  t.same([two.closed, third.given], [0, [two]], 'what it has not taken when it ends, too')
  third.tell({ taken: true })
  t.equal(two.closed, 1)
  t.same(third.given, [two, three], 'with what waited')
  third.tell({ taken: true })
  first.tell({ listens: [':: 80'] })
  listener.connect(source)
  t.equal(first.given.length, 3, 'who listens again has its own again')
  first.tell({ taken: true })
  first.tell({ taken: true })

  for (const state of [{ ready: false }, { ending: true }, { ready: false, responding: false }]) {
    Object.assign(first, state)
    const before = third.given.length
    listener.connect(source)
    t.equal(third.given.length, before + 1, `another one while it is ${JSON.stringify(state)}`)
    third.tell({ taken: true })
    Object.assign(first, { ready: true, ending: false, responding: true })
  }
  Object.assign(first, { ready: false })
  Object.assign(third, { ready: false, responding: false })
  listener.connect(source)
  t.equal(first.given.length, 4, 'where none serves, one that answers')
  const [four, five] = [listener.connect(source), listener.connect(source)]
  Object.assign(third, { ready: true, responding: true })
  sticky.look()
  t.same(third.given.slice(-1), [four], 'what waits for one that hangs goes elsewhere')
  third.tell({ taken: true })
  t.same(third.given.slice(-1), [five])
  const unknown = listener.connect()
  t.equal(unknown.closed, 0, 'who has left already')
})

t.test('what nobody can take is kept, up to what a kernel would queue', async (t) => {
  const { listener, children: [child], sticky } = grow(1)
  child!.tell({ listens: [] })
  const all = Array.from({ length: 512 }, () => listener.connect('192.0.2.1'))
  t.same(child!.given, [])
  t.same(all.filter(({ closed }) => closed > 0), all.slice(511), 'one too many')
  child!.tell({ listens: [':: 80'] })
  t.same(child!.given, all.slice(0, 1))
  child!.leave()
  sticky.close()
  t.equal(listener.closed, 1)
  t.equal(all.filter(({ closed }) => closed > 0).length, 512, 'not longer than the port')
  const none = new Listener()
  none.getsockname = () => -9
  t.equal(sticky.open(none), 0)
  t.equal(none.onconnection, undefined, 'without a port nothing is accepted here')
  const taken = new Listener()
  taken.listen = () => -98
  t.equal(sticky.open(taken), -98)
})

t.test('a port is closed when what has come is taken', async (t) => {
  const { sticky, listener, children: [child] } = grow(1)
  const one = listener.connect('192.0.2.1')
  const emptied = sticky.empty()
  let two: Connection | undefined
  setImmediate(() => { two = listener.connect('192.0.2.2') })
  while (listener.closed === 0) await new Promise((resolve) => { setImmediate(resolve) })
  child!.tell({ taken: true })
  t.same(child!.given, [one, two], 'with what has come while the kernel was asked')
  child!.tell({ taken: true })
  await emptied
  t.equal(one.closed, 1)

  const hung = grow(1)
  hung.listener.connect('192.0.2.1')
  const startedAt = performance.now()
  await hung.sticky.empty()
  t.ok(performance.now() - startedAt >= 450, 'who does not answer is waited for for half a second')
})
